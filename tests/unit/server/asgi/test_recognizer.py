"""People: by the cookie of a session, and by the word of a trusted proxy."""

import time
from dataclasses import replace

import pytest

from heksher.server.access.signed_session import sign
from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.storage.access_records import PERSON, SIGNING_KEY, PersonRecord
from heksher.server.storage.base import LoggedChange, Writer
from heksher.server.storage.memory import MemoryStorage
from tests.support.access import give_token
from tests.support.asgi_call import send

KEY = "k" * 43
SETTINGS = "/api/v1/settings"
FEATURES = "/api/v1/context_features"
STREAM = "/api/v1/stream"
BODY = b'{"context_feature":"new"}'
HOST = (b"host", b"heksher.test")
OWN = [HOST, (b"origin", b"http://heksher.test"), (b"sec-fetch-site", b"same-origin")]
OPENED = [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]
PROXY, STRANGER = ("10.0.0.5", 1), ("10.9.9.9", 1)
USER = b"x-forwarded-user"


@pytest.fixture
def storage() -> MemoryStorage:
    """A storage with an admin, a reader, a token and a key."""
    storage = MemoryStorage()
    storage.open()

    def work(writer: Writer) -> None:
        for name, grant in (("Ada", "admin"), ("Rob", "read")):
            writer.put_person(PersonRecord(name, (grant,), None, epoch=3))
            writer.record(LoggedChange("add", PERSON, name, None, {"grants": [grant]}))
        writer.set_signing_key(KEY)
        writer.record(LoggedChange("rotate", SIGNING_KEY, "", None, {}))

    storage.write(work)
    give_token(storage, "evaluate")
    return storage


def make_app(storage: MemoryStorage, **options: object) -> Application:
    app = Application(Config("unused", has_access=True, **options), storage)
    app.services.catalog.refresh()
    return app


@pytest.fixture
def app(storage: MemoryStorage) -> Application:
    """A service on it."""
    return make_app(storage)


def bake(person: str = "Ada", key: str = KEY, epoch: int = 3, age_s: float = 0.0) -> tuple[bytes, bytes]:
    return b"cookie", f"other=1; heksher={sign(key, person, epoch, time.time() - age_s)}".encode()


def test_a_session_is_its_persons(app: Application, storage: MemoryStorage):
    """With their grants; and the log says, proved, who it was."""
    assert 200 == send(app, "GET", SETTINGS, [*OWN, bake("Rob")]).status
    assert 403 == send(app, "POST", FEATURES, [*OWN, bake("Rob")], BODY).status
    assert 204 == send(app, "POST", FEATURES, [*OWN, bake()], BODY).status
    origin = storage.read(lambda reader: reader.log())[-1].origin
    assert ("Ada", "person") == (origin.actor, origin.actor_kind)


def test_the_log_tells_a_token_from_a_person_of_the_same_name(storage: MemoryStorage):
    """One of them can be gone when the other one comes; and what a header claims is neither."""
    give_token(storage, "admin", name="Ada")
    for app, headers, feature in (
        (make_app(storage), [HOST, (b"api_token", b"hks_Ada")], b"a"),
        (make_app(storage), [*OWN, bake()], b"b"),
        (Application(Config("unused"), storage), [HOST, (b"heksher-actor", b"Ada")], b"c"),
    ):
        assert 204 == send(app, "POST", FEATURES, headers, BODY.replace(b"new", feature)).status
    origins = [entry.origin for entry in storage.read(lambda reader: reader.log())[-3:]]
    assert [("Ada", "token"), ("Ada", "person"), ("Ada", "nobody")] == [
        (origin.actor, origin.actor_kind) for origin in origins
    ]


@pytest.mark.parametrize(
    "cookie",
    [
        bake("Eve"),
        bake(key="another key"),
        bake(epoch=2),
        bake(epoch=4),
        bake(age_s=12 * 3600 + 1),
        (b"cookie", bake()[1][:-1]),
        (b"cookie", bake()[1] + b"; " + bake()[1]),
        (b"cookie", b"heksher="),
        (b"cookie", b"heksher=\xff.."),
        (b"cookie", bake()[1].replace(b"heksher=", b"__Host-heksher=")),
    ],
)
def test_a_session_that_does_not_hold_is_nobodys(app: Application, cookie: tuple[bytes, bytes]):
    """Somebody unknown, another key, signed out, too old, cut off, twice, none at all, of another name."""
    assert 401 == send(app, "GET", SETTINGS, [*OWN, cookie]).status


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_counted"),
    [
        ("GET", SETTINGS, [HOST, *OPENED, (b"sec-fetch-site", b"cross-site")], True),
        ("GET", SETTINGS, [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"cors")], False),
        ("GET", SETTINGS, [HOST, *OPENED, (b"sec-fetch-site", b"cross-site"), (b"hx-request", b"true")], False),
        ("GET", STREAM, [HOST, *OPENED, (b"sec-fetch-site", b"cross-site")], False),
        ("GET", STREAM, OWN, True),
        ("POST", FEATURES, OWN, True),
        ("POST", FEATURES, [HOST], False),
    ],
)
def test_a_cookie_counts_for_the_services_own_pages(
    app: Application, method: str, path: str, headers: list[tuple[bytes, bytes]], is_counted: bool
):
    """And for what somebody opens, wherever the link stands."""
    status = send(app, method, path, [*headers, bake()], BODY if method == "POST" else b"").status
    assert (not is_counted) == (status == 401)


def test_a_token_counts_before_a_cookie(app: Application):
    """A program sends it on purpose: it gets no more than the token allows."""
    assert 403 == send(app, "GET", SETTINGS, [*OWN, bake(), (b"api_token", b"hks_with evaluate")]).status
    assert 401 == send(app, "GET", SETTINGS, [*OWN, bake(), (b"api_token", b"hks_wrong")]).status


@pytest.mark.parametrize(
    ("peer", "more", "status"),
    [
        (PROXY, [(USER, b"Rob")], 200),
        (PROXY, [(USER, b"R%6Fb")], 401),
        (PROXY, [(USER, b"R\xf6b")], 401),
        (PROXY, [(USER, b"Eve")], 401),
        (PROXY, [(USER, b"")], 401),
        (PROXY, [(USER, b"Rob"), (b"x-forwarded-for", b"10.9.9.9")], 200),
        (STRANGER, [(USER, b"Rob")], 401),
        (STRANGER, [(USER, b"Rob"), (b"x-forwarded-for", b"10.0.0.5")], 401),
        (PROXY, [(USER, b"Rob"), (USER, b"Ada")], 401),
    ],
)
def test_a_proxy_is_believed_where_it_is_trusted(
    storage: MemoryStorage, peer: tuple[str, int], more: list[tuple[bytes, bytes]], status: int
):
    """By the address of the connection, never by one that is passed on."""
    app = make_app(storage, trusted_proxies=("10.0.0.5",), proxy_user_header="X-Forwarded-User")
    assert status == send(app, "GET", SETTINGS, [*OWN, *more], client=peer).status


def test_a_proxy_names_nobody_whom_a_provider_knows(storage: MemoryStorage):
    """People choose what it calls them, so one of this name at the proxy can be another one; a session is theirs."""

    def work(writer: Writer) -> None:
        for name, subject in (("Ada", "1"), ("Eve", "2")):
            writer.put_person(PersonRecord(name, ("admin",), None, "https://id.example.com", subject, epoch=3))
            writer.record(LoggedChange("sign in", PERSON, name, None, {"grants": ["admin"]}))

    storage.write(work)
    app = make_app(storage, trusted_proxies=("10.0.0.5",), proxy_user_header="X-Forwarded-User")
    for name in (b"Ada", b"Eve"):
        assert 401 == send(app, "GET", SETTINGS, [*OWN, (USER, name)], client=PROXY).status
        assert 200 == send(app, "GET", SETTINGS, [*OWN, bake(name.decode())], client=PROXY).status
    assert 200 == send(app, "GET", SETTINGS, [*OWN, (USER, b"Rob")], client=PROXY).status


@pytest.mark.parametrize(
    ("credential", "words", "challenge"),
    [
        (bake(epoch=2), "this session is over", b'Bearer error="invalid_token"'),
        (bake("Eve"), "this session is over", b'Bearer error="invalid_token"'),
        ((USER, b"Eve"), "does not know the person whom the proxy names", b'Bearer error="invalid_token"'),
        ((USER, b"Guest"), "does not know the person whom the proxy names", b'Bearer error="invalid_token"'),
        ((b"cookie", b"heksher=x"), "this needs a credential", b"Bearer"),
        (bake(key="another key"), "this needs a credential", b"Bearer"),
    ],
)
def test_the_answer_says_what_does_not_hold(
    storage: MemoryStorage, credential: tuple[bytes, bytes], words: str, challenge: bytes
):
    """And nothing of who there is: that of somebody who is gone is as that of somebody who never was."""
    app = make_app(storage, trusted_proxies=("10.0.0.5",), proxy_user_header="X-Forwarded-User")
    refused = send(app, "GET", SETTINGS, [*OWN, credential], client=PROXY)
    assert (401, challenge) == (refused.status, refused.headers[b"www-authenticate"])
    assert words in refused.json()["detail"]
    assert not any(name in refused.body for name in (b"Eve", b"Guest"))


def test_no_proxy_is_believed_unless_it_is_configured(storage: MemoryStorage):
    """Trusted for addresses alone, it may pass on a header that somebody has made up."""
    app = make_app(storage, trusted_proxies=("10.0.0.5",))
    assert 401 == send(app, "GET", SETTINGS, [*OWN, (USER, b"Rob")], client=PROXY).status


def test_the_word_of_a_proxy_counts_for_the_services_own_pages(storage: MemoryStorage):
    """Behind it a browser is signed in without anybody's doing, as with a cookie."""
    app = make_app(storage, trusted_proxies=("10.0.0.5",), proxy_user_header="X-Forwarded-User")
    other = [HOST, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"cors"), (USER, b"Ada")]
    assert 401 == send(app, "GET", SETTINGS, other, client=PROXY).status


def test_a_person_is_signed_out_everywhere_at_once(app: Application, storage: MemoryStorage):
    """By another epoch, for all cookies that they have."""
    cookie = bake()
    assert 200 == send(app, "GET", SETTINGS, [*OWN, cookie]).status

    def work(writer: Writer) -> None:
        (ada, _) = writer.access().persons
        writer.put_person(replace(ada, epoch=4))
        writer.record(LoggedChange("sign out", PERSON, "Ada", {"epoch": 3}, {"epoch": 4}))

    storage.write(work)
    app.services.catalog.refresh()
    assert 401 == send(app, "GET", SETTINGS, [*OWN, cookie]).status
