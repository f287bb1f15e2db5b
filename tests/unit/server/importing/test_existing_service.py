"""Reading an existing service."""

from collections.abc import Iterator

import pytest

from heksher.server.importing.existing_service import ExistingService, ExistingServiceError
from tests.support.existing_service import SimulatedService


@pytest.fixture
def simulated() -> SimulatedService:
    """An existing service with the context feature ``user``."""
    return SimulatedService("user")


@pytest.fixture
def service(simulated: SimulatedService) -> Iterator[ExistingService]:
    """What reads it."""
    with simulated.serving() as url, ExistingService(url, {}) as service:
        yield service


def count_queries(simulated: SimulatedService) -> int:
    return simulated.paths.count("/api/v1/query")


def read_rules(service: ExistingService, names: list[str]) -> dict[str, list[dict]]:
    return {name: rules for portion in service.read_rules(names) for name, rules in portion.items()}


def test_everything_is_read(simulated: SimulatedService, service: ExistingService):
    """As it is there."""
    simulated.add_setting("a", aliases=["b"])
    rule = simulated.add_rule("a", 7, 1, {"user": "x"}, metadata={"by": "me"})
    assert ["user"] == service.read_features()
    assert [simulated.settings["a"]] == service.read_settings()
    assert {"a": [rule]} == read_rules(service, ["a"])


def test_nothing_is_asked_where_there_are_no_settings(simulated: SimulatedService, service: ExistingService):
    """A query without names would be for all of them."""
    assert {} == read_rules(service, [])
    assert 0 == count_queries(simulated)


@pytest.mark.parametrize(("number", "characters", "queries"), [(200, 3, 1), (201, 3, 2), (100, 255, 7)])
def test_rules_are_read_in_portions(
    simulated: SimulatedService, service: ExistingService, number: int, characters: int, queries: int
):
    """Of a number of names, and of characters in the URL."""
    for index in range(number):
        simulated.add_setting(str(index).rjust(characters, "_"))
    assert set(simulated.settings) == set(read_rules(service, list(simulated.settings)))
    assert queries == count_queries(simulated)


@pytest.mark.trap(42)
def test_portions_that_are_too_large_are_divided(simulated: SimulatedService, service: ExistingService):
    """An existing service cannot answer more than 32,767 rules at once."""
    for name in "abcd":
        simulated.add_setting(name)
        simulated.rules[name] = [{"rule_id": number} for number in range(20_000)]
    assert simulated.rules == read_rules(service, list("abcd"))
    assert 7 == count_queries(simulated)


def test_a_setting_with_too_many_rules_is_an_error(simulated: SimulatedService, service: ExistingService):
    """It cannot be divided."""
    simulated.add_setting("a")
    simulated.rules["a"] = [{}] * 40_000
    with pytest.raises(ExistingServiceError, match=r"answered 500: .*GET /api/v1/query"):
        read_rules(service, ["a"])


def test_headers_and_credentials_are_sent(simulated: SimulatedService):
    """The URL's credentials stand in no message."""
    simulated.headers = {"X-Token": "secret", "Authorization": "Basic dTpw"}
    with simulated.serving() as url:
        with_credentials = url.replace("//", "//u:p@")
        with ExistingService(with_credentials, {"X-Token": "secret"}) as service:
            assert (["user"], url) == (service.read_features(), service.name)
        with (
            ExistingService(with_credentials, {}) as service,
            pytest.raises(ExistingServiceError, match="answered 401") as caught,
        ):
            service.read_features()
        assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "userinfo"),
    [
        ({"X-Token": "secret"}, ""),
        ({"Authorization": "Bearer secret"}, ""),
        ({"Cookie": "session=secret; theme=dark"}, ""),
        ({"Authorization": "Basic dTpzZWNyZXQ="}, ""),
        ({}, "u:secret@"),
        ({}, "secret@"),
        ({}, "secret:x@"),
    ],
)
def test_an_answer_that_has_a_credential_is_shown_without(
    simulated: SimulatedService, headers: dict[str, str], userinfo: str
):
    """Some services say which token they do not know."""
    simulated.answer = lambda _target: (403, {"detail": "unknown token secret", "headers": headers})
    with (
        simulated.serving() as url,
        ExistingService(url.replace("//", f"//{userinfo}"), headers) as service,
        pytest.raises(ExistingServiceError, match=r"answered 403: .*unknown token \*\*\*") as caught,
    ):
        service.read_features()
    assert "secret" not in str(caught.value)


@pytest.mark.trap(28)
def test_an_answer_that_has_the_credentials_as_they_are_sent_is_shown_without(simulated: SimulatedService):
    """In Base64."""
    simulated.answer = lambda _target: (403, {"detail": "who is Basic dTpzZWNyZXQ=?"})
    with (
        simulated.serving() as url,
        ExistingService(url.replace("//", "//u:secret@"), {}) as service,
        pytest.raises(ExistingServiceError, match=r"who is Basic \*\*\*\?"),
    ):
        service.read_features()


@pytest.mark.trap(28)
@pytest.mark.parametrize("proxy", ["ftp://u:secret@host", "http://u:secret@[::1", "socks5://u:secret@host"])
def test_a_proxy_that_cannot_be_used_is_an_error(proxy: str, monkeypatch: pytest.MonkeyPatch):
    """It names the variables, and nothing of them."""
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ExistingServiceError, match=r"HTTP_PROXY, .* name a proxy that cannot be used") as caught:
        ExistingService("http://host", {})
    assert (None, "secret" in str(caught.value)) == (caught.value.__cause__, False)


@pytest.mark.parametrize("host", ["a" * 64, "a..b"])
def test_a_host_that_no_name_can_be_is_an_error(host: str):
    """As one that is not there."""
    with ExistingService(f"http://{host}", {}) as service, pytest.raises(ExistingServiceError, match="gave no answer"):
        service.read_features()


@pytest.mark.trap(28)
@pytest.mark.parametrize(
    "url",
    [
        "http://host/?token=secret",
        "http://host/#secret",
        "http://u:1/secret@host",
        "http://u:secret/x@host",
        "http://u:secret?x@host",
        "http://u:sec\nret@host",
        "http://u:secret@host:x",
    ],
)
def test_a_url_whose_credentials_cannot_be_told_apart_is_an_error(url: str):
    """It would stand in messages and in the change log; this message has nothing of it."""
    with pytest.raises(ExistingServiceError, match=r"the URL of the existing service .* as %2F") as caught:
        ExistingService(url, {})
    assert "sec" not in str(caught.value)


def test_a_url_can_have_a_path_and_credentials_in_which_any_character_is_written_as_it_must_be():
    """Such as an at sign."""
    with ExistingService("http://u%40x:p%2Fw@host/a%40b/", {}) as service:
        assert "http://host/a%40b" == service.name


@pytest.mark.parametrize("url", ["", "host", "ftp://host", "http://", "http://host:x"])
def test_a_url_that_cannot_be_one_is_an_error(url: str):
    """In words."""
    with pytest.raises(ExistingServiceError, match="the URL of the existing service"):
        ExistingService(url, {})


def test_a_service_that_is_away_is_an_error():
    """It names the service."""
    with (
        ExistingService("http://127.0.0.1:1", {}) as service,
        pytest.raises(ExistingServiceError, match=r"http://127.0.0.1:1 gave no answer: ConnectError"),
    ):
        service.read_features()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "something that is no JSON"),
        (b"[" * 100_000, "something that is no JSON"),
        (b"[]", "without 'context_features'"),
        (b"{}", "it is no Heksher service"),
        (b'{"context_features": [1]}', "that are no texts"),
        (b'{"context_features": null}', "that are no texts"),
    ],
)
def test_another_service_is_an_error(
    simulated: SimulatedService, service: ExistingService, content: bytes, message: str
):
    """Whatever it answers."""
    simulated.answer = lambda _target: (200, content)
    with pytest.raises(ExistingServiceError, match=message):
        service.read_features()


@pytest.mark.parametrize("settings", [None, [1], [{}], [{"name": 1}]])
def test_settings_without_names_are_an_error(simulated: SimulatedService, service: ExistingService, settings: object):
    """They could not be told apart."""
    simulated.answer = lambda _target: (200, {"settings": settings})
    with pytest.raises(ExistingServiceError, match="have no name"):
        service.read_settings()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "other settings than it lists"),
        ({}, "other settings than it lists"),
        ({"a": {}, "b": {}}, "other settings than it lists"),
        ({"a": None}, "without a list of rules"),
        ({"a": {"rules": None}}, "without a list of rules"),
        ({"a": {"rules": [1]}}, "without a list of rules"),
    ],
)
def test_rules_of_other_settings_are_an_error(
    simulated: SimulatedService, service: ExistingService, settings: object, message: str
):
    """Somebody has changed them in between."""
    simulated.answer = lambda _target: (200, {"settings": settings})
    with pytest.raises(ExistingServiceError, match=message):
        read_rules(service, ["a"])
