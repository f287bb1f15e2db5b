"""Each answer of each route of webhooks (docs/reference/http-api.md, *Webhooks*)."""

from collections.abc import Iterator

import httpx2
import pytest

from heksher.server.config import Config
from heksher.server.operations import webhooks
from tests.support.api import Api
from tests.support.operations import read_last
from tests.support.webhook_receiver import WebhookReceiver

WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.example/T0p-s3cret"


@pytest.fixture
def api() -> Api:
    return Api(config=Config(database="unused", webhook_networks=("127.0.0.1",)))


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


def create(api: Api, name: object = "chat", url: object = URL, **more: object) -> httpx2.Response:
    return api.post(WEBHOOKS, json={"name": name, "url": url, **more})


def list_all(api: Api) -> list[dict]:
    return api.get(WEBHOOKS).json()["webhooks"]


@pytest.mark.storages
def test_a_webhook_is_created(api: Api):
    """The answer has its secret, is to be kept by nobody else, and says where it is now and since when."""
    response = create(api, "my chat", prefixes=["shop."], format="slack")
    assert (201, "my chat") == (response.status_code, response.json()["name"])
    record = webhooks.get(api.storage, "my chat").record
    assert (response.json()["secret"], URL, ("shop.",), "slack") == (
        record.secret,
        record.url,
        record.prefixes,
        record.format,
    )
    assert ("no-store", f"{WEBHOOKS}/my%20chat", str(api.revision())) == tuple(
        response.headers[name] for name in ("cache-control", "location", "heksher-revision")
    )


@pytest.mark.storages
def test_webhooks_are_listed_without_what_is_secret(api: Api):
    """In pages, sorted by name; each is told as it is in the list."""
    secrets = [create(api, name).json()["secret"] for name in "bac"]
    first = api.get(WEBHOOKS, params={"limit": 2})
    second = api.get(WEBHOOKS, params={"cursor": first.json()["next_cursor"]})
    assert (200, "no-store") == (first.status_code, first.headers["cache-control"])
    listed = [*first.json()["webhooks"], *second.json()["webhooks"]]
    assert (["a", "b", "c"], None) == ([webhook["name"] for webhook in listed], second.json()["next_cursor"])
    one = api.get(f"{WEBHOOKS}/a")
    assert ("no-store", listed[0]) == (one.headers["cache-control"], one.json())
    assert not any(secret in first.text + second.text + one.text for secret in [*secrets, "T0p-s3cret"])
    record = webhooks.get(api.storage, "a").record
    assert {
        "name": "a",
        "origin": "https://hooks.example",
        "prefixes": [],
        "format": "standard",
        "creator": record.creator,
        "created_at": record.created_at.isoformat(),
        "off_reason": None,
        "is_on": True,
        "told_revision": webhooks.get(api.storage, "a").delivery.told.number,
        "failures": 0,
        "failing_since": None,
        "next_attempt_at": None,
        "attempted_at": None,
        "problem": None,
    } == listed[0]


@pytest.mark.storages
def test_a_webhook_is_changed(api: Api):
    """What is left out stays."""
    create(api, prefixes=["shop."])
    for body, expected in (
        ({"format": "slack"}, (URL, ("shop.",), "slack")),
        ({"url": f"{URL}/2", "prefixes": []}, (f"{URL}/2", (), "slack")),
        ({}, (f"{URL}/2", (), "slack")),
    ):
        response = api.patch(f"{WEBHOOKS}/chat", json=body)
        record = webhooks.get(api.storage, "chat").record
        assert (204, str(api.revision())) == (response.status_code, response.headers["heksher-revision"])
        assert expected == (record.url, record.prefixes, record.format)


@pytest.mark.storages
def test_a_webhook_is_removed(api: Api):
    """Then there is none of its name."""
    create(api)
    assert 204 == api.delete(f"{WEBHOOKS}/chat").status_code
    assert (404, []) == (api.delete(f"{WEBHOOKS}/chat").status_code, list_all(api))


@pytest.mark.storages
def test_a_webhook_is_switched_off_and_on(api: Api):
    """It is said by whom; with what it has missed, or without."""
    create(api)
    headers = {"Heksher-Actor": "Ada"} if "api_token" not in api.headers else {}
    assert 204 == api.post(f"{WEBHOOKS}/chat/disable", headers=headers).status_code
    (webhook,) = list_all(api)
    assert (False, True) == (webhook["is_on"], webhook["off_reason"].endswith(" has switched it off"))
    told = webhook["told_revision"]
    assert 204 == api.post(f"{WEBHOOKS}/chat/enable", json={}).status_code
    assert (True, None, told) == tuple(list_all(api)[0][key] for key in ("is_on", "off_reason", "told_revision"))
    newest = api.revision()
    assert 204 == api.post(f"{WEBHOOKS}/chat/enable", json={"skip_missed": True}).status_code
    assert (newest, "skip") == (list_all(api)[0]["told_revision"], read_last(api.storage).change.action)


@pytest.mark.parametrize("format_", ["standard", "slack"])
def test_a_test_says_what_became_of_it(api: Api, receiver: WebhookReceiver, format_: str):
    """The message is signed as all others are; it is no change, and counts for nothing else."""
    receiver.secret = create(api, url=receiver.url, format=format_).json()["secret"]
    before = list_all(api)
    response = api.post(f"{WEBHOOKS}/chat/test")
    assert (200, {"is_received": True, "status": 200, "problem": None}) == (response.status_code, response.json())
    (request,) = receiver.requests
    text = "This is a test of the webhook 'chat' of heksher: it will be told of changes."
    if format_ == "slack":
        assert {"text": text} == request.content
    else:
        assert ("webhook.test", {"text": text}) == (request.content["type"], request.content["data"])
    assert (True, [], before) == (request.message_id.startswith("test-"), receiver.forged, list_all(api))
    receiver.behaviours = [500]
    problem = {"is_received": False, "status": 500, "problem": "it answered 500"}
    assert problem == api.post(f"{WEBHOOKS}/chat/test").json()
    assert receiver.requests[0].message_id != receiver.requests[1].message_id


def test_a_test_of_an_address_that_is_not_public_is_not_sent(receiver: WebhookReceiver):
    """Unless an option allows it."""
    api = Api()
    create(api, url=receiver.url)
    answer = api.post(f"{WEBHOOKS}/chat/test").json()
    problem = "127.0.0.1 is not public, and --webhook-networks does not allow it"
    assert ({"is_received": False, "status": None, "problem": problem}, []) == (answer, receiver.requests)


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"name": "a\nb"}, ["body", "name"]),
        ({"url": "hooks.example/T0p-s3cret"}, ["body", "url"]),
        ({"url": "https://ada:T0p-s3cret@hooks.example"}, ["body", "url"]),
        ({"url": 1}, ["body", "url"]),
        ({"url": f"https://hooks.example/T0p-s3cret{'x' * 2000}"}, ["body", "url"]),
        ({"prefixes": "shop."}, ["body", "prefixes"]),
        ({"prefixes": ["shop.", "a b"]}, ["body", "prefixes", 1]),
        ({"format": "xml"}, ["body", "format"]),
        ({"secret": "whsec_T0p-s3cret"}, ["body", "secret"]),
    ],
)
def test_what_cannot_be_is_refused(api: Api, body: dict, location: list):
    """With the part that is wrong, and without what may be secret."""
    response = create(api, **{"name": "chat", "url": URL, **body})
    assert (422, location) == (response.status_code, response.json()["errors"][0]["loc"])
    assert "T0p-s3cret" not in response.text
    assert [] == list_all(api)


def test_a_name_is_given_once(api: Api):
    """The answer says which."""
    create(api)
    response = create(api)
    assert (409, True) == (response.status_code, "'chat' already" in response.json()["detail"])


def test_more_webhooks_than_there_may_be_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch):
    """As more settings and rules are."""
    monkeypatch.setattr(webhooks, "MAX_WEBHOOKS", 1)
    create(api)
    response = create(api, "other")
    assert (507, True) == (response.status_code, "there are 1 webhooks" in response.json()["detail"])


def test_a_name_that_none_has_is_not_found(api: Api):
    """Whatever is to be done with it."""
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/disable", None),
        ("POST", "/enable", {}),
        ("POST", "/test", None),
    ):
        response = api.request(method, f"{WEBHOOKS}/none{path}", json=body)
        assert (404, "there is no webhook named 'none'") == (response.status_code, response.json()["detail"])
        assert "application/problem+json" == response.headers["content-type"]
