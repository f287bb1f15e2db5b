"""Each answer of each route of the settings' metadata (compatibility.md, *Settings*); 404 is in test_settings."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/settings/cache_ttl/metadata"


@pytest.fixture
def noted(api: Api) -> Api:
    """A service with a setting at version 1.1 that has metadata."""
    return api.begin_with(prepare_noted)


def prepare_noted(api: Api) -> None:
    api.declare("cache_ttl")
    api.declare("cache_ttl", metadata={"a": 1, "b": [True]}, version="1.1")


CHANGES = [
    ("POST", "", {"metadata": {"b": None, "c": "x"}}, {"a": 1, "b": None, "c": "x"}),
    ("POST", "", {"metadata": {}}, {"a": 1, "b": [True]}),
    ("PUT", "", {"metadata": {"c": {"d": 1.5}}}, {"c": {"d": 1.5}}),
    ("PUT", "", {"metadata": {"a": 1, "b": [True]}}, {"a": 1, "b": [True]}),
    ("DELETE", "", {}, {}),
    ("PUT", "/a", {"value": 2}, {"a": 2, "b": [True]}),
    ("PUT", "/-_9", {"value": None}, {"a": 1, "b": [True], "-_9": None}),
    ("DELETE", "/a", {}, {"b": [True]}),
    ("DELETE", "/c", {}, {"a": 1, "b": [True]}),
    ("DELETE", "/%00", {}, {"a": 1, "b": [True]}),
    ("POST", "", {}, {"a": 1, "b": [True]}),
    ("PUT", "", {}, {}),
]


@pytest.mark.storages
def test_metadata_is_read(noted: Api):
    """The answer has the whole object."""
    response = noted.get(PATH)
    assert (200, {"metadata": {"a": 1, "b": [True]}}) == (response.status_code, response.json())


@pytest.mark.storages
@pytest.mark.parametrize("version", ["1.2", "2.0"])
@pytest.mark.parametrize(("method", "suffix", "body", "expected"), CHANGES)
def test_metadata_is_changed(noted: Api, method: str, suffix: str, body: dict, expected: dict, version: str):
    """With a newer version, which is stored, even if the metadata stays as it was."""
    response = noted.request(method, PATH + suffix, json={**body, "version": version})
    assert (204, b"") == (response.status_code, response.content)
    setting = noted.get_setting("cache_ttl")
    assert (expected, version) == (setting["metadata"], setting["version"])
    assert str(noted.revision()) == response.headers["Heksher-Revision"]


@pytest.mark.storages
@pytest.mark.parametrize("version", ["1.1", "1.0", "0.9", "01.01"])
@pytest.mark.parametrize(("method", "suffix", "body", "expected"), CHANGES)
def test_metadata_needs_a_newer_version(noted: Api, method: str, suffix: str, body: dict, expected: dict, version: str):
    """Else it is a 409, even if nothing would change."""
    response = noted.request(method, PATH + suffix, json={**body, "version": version})
    assert 409 == response.status_code
    assert "must be newer" in response.json()["detail"]
    setting = noted.get_setting("cache_ttl")
    assert ({"a": 1, "b": [True]}, "1.1") == (setting["metadata"], setting["version"])


@pytest.mark.trap(35)
@pytest.mark.parametrize("key", ["a%20b", "a.b", "a%0A", "%C3%A9", "a" * 256])
def test_a_key_follows_the_rules(noted: Api, key: str):
    """To set a malformed key is a 422, in the path and in a body."""
    assert [["path", "key"]] == locations(noted.put(f"{PATH}/{key}", json={"value": 1, "version": "2.0"}))


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("metadata", [{"a b": 1}, {"": 1}, {"a\n": 1}, [], None, "a"])
def test_metadata_is_an_object_with_proper_keys(noted: Api, method: str, metadata: object):
    """Anything else is a 422."""
    response = noted.request(method, PATH, json={"metadata": metadata, "version": "2.0"})
    assert ["body", "metadata"] == locations(response)[0][:2]


def test_a_value_is_required(noted: Api):
    """A body without one is a 422."""
    assert [["body", "value"]] == locations(noted.put(f"{PATH}/a", json={"version": "2.0"}))


@pytest.mark.trap(44)
def test_there_is_a_limit_on_keys(noted: Api):
    """Metadata takes 1,000 keys, at once or little by little."""
    at_once = {f"k{number}": 1 for number in range(1001)}
    assert [["body", "metadata"]] == locations(noted.put(PATH, json={"metadata": at_once, "version": "2.0"}))
    del at_once["k0"]
    assert 204 == noted.put(PATH, json={"metadata": at_once, "version": "2.0"}).status_code
    one_more = noted.put(f"{PATH}/k0", json={"value": 1, "version": "2.1"})
    merged = noted.post(PATH, json={"metadata": {"k0": 1}, "version": "2.1"})
    message = {"detail": "metadata has at most 1000 keys, and this makes 1001"}
    assert [(400, message)] * 2 == [(response.status_code, response.json()) for response in (one_more, merged)]
