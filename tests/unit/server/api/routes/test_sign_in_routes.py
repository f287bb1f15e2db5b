"""The pages on which people sign in and out, by name and password."""

import re
import time

import httpx2
import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.access.signed_session import read
from heksher.server.config import Config
from heksher.server.operations import people
from heksher.server.storage.base import NOBODY
from tests.support.api import Api
from tests.support.catalogs import open_fragile

ORIGIN = "https://heksher.test"
CONFIG = Config("unused", has_access=True, public_url=f"{ORIGIN}/prefix")
OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
PASSWORD = "correct horse"  # noqa: S105 - of these services alone


def open_service(config: Config = CONFIG, storage=None) -> Api:
    """Return a service that is loaded."""
    api = Api(storage, config)
    api.app.services.catalog.refresh()
    return api


def add_person(api: Api, name: str, *grants: str, password: str | None = PASSWORD) -> None:
    people.add(api.app.services.storage, name, parse_grants(grants), password, NOBODY)


@pytest.fixture
def api() -> Api:
    """A service with somebody who has a password."""
    api = open_service()
    add_person(api, "alice", "read")
    return api


def sign_in(api: Api, name: str = "alice", password: str = PASSWORD, headers=OWN, **more: str) -> httpx2.Response:
    return api.post("/sign-in", data={"name": name, "password": password, **more}, headers=headers)


def get_cookie(answer: httpx2.Response, name: str = "__Host-heksher") -> dict[str, str]:
    """Return the header of a request with a cookie that an answer has set."""
    (value,) = [text for text in answer.headers.get_list("set-cookie") if text.startswith(f"{name}=")]
    assert value.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    return {"Cookie": value.partition(";")[0]}


def find_form(page: str) -> list[str]:
    return re.findall(r'<input[^>]*name="([^"]*)"', page)


def test_the_page_works_without_scripts_and_loads_nothing_from_elsewhere(api: Api):
    """No cache keeps it, nobody can frame it, and its forms go to the service alone."""
    page = api.get("/sign-in")
    assert (200, "text/html; charset=utf-8", "no-store") == (
        page.status_code,
        page.headers["content-type"],
        page.headers["cache-control"],
    )
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert ("'none'", "'self'", "'none'") == (policy["default-src"], policy["form-action"], policy["frame-ancestors"])
    assert "same-origin" == page.headers["referrer-policy"]
    assert not re.search(r"<script|<style|style=|onclick|https?://", page.text)
    (style,) = re.findall(r'rel="stylesheet" href="([^"]*)"', page.text)
    assert "text/css" in api.get(f"/{style}").headers["content-type"]
    assert ["name", "password"] == find_form(page.text)


def test_somebody_signs_in(api: Api):
    """And goes on where they wanted to, with a cookie that says who they are."""
    before_s = int(time.time())
    answer = sign_in(api, next="/settings?a=b")
    assert (303, "/settings?a=b", "no-store") == (
        answer.status_code,
        answer.headers["location"],
        answer.headers["cache-control"],
    )
    access = api.app.services.catalog.state.picture.access
    session = read(access.signing_key, get_cookie(answer)["Cookie"].partition("=")[2], time.time())
    assert ("alice", access.persons["alice"].record.epoch) == (session.person, session.epoch)
    assert before_s <= session.signed_in_s <= time.time()
    assert "/prefix/docs" == sign_in(api).headers["location"]


def test_a_name_is_the_same_however_its_accents_are_sent(api: Api):
    """A system may take them apart from their letters, where the service has one form alone."""
    add_person(api, "\u00c4da", "read")
    assert [303, 303] == [sign_in(api, name).status_code for name in ("\u00c4da", "A\u0308da")]


def test_who_is_signed_in_is_told_so(api: Api):
    """With ways to sign out; the key is the same for all."""
    for cookie in (get_cookie(sign_in(api)), get_cookie(sign_in(api))):
        page = api.get("/sign-in?next=/a", headers=cookie)
        assert "You are signed in as <b>alice</b>" in page.text
        assert ["sign-out", "sign-out-everywhere"] == re.findall(r'action="([^"]*)"', page.text)
        assert '<a class="btn main" href="/a">Go on</a>' in page.text


def test_without_tls_the_cookie_has_another_name():
    """A browser would not keep the first one."""
    api = open_service(Config("unused", has_access=True))
    add_person(api, "alice")
    answer = sign_in(api, headers={"Origin": "http://heksher.test"})
    assert answer.headers["set-cookie"].startswith("heksher=")
    assert "Secure" not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("name", "password"), [("alice", "wrong password"), ("eve", PASSWORD), ("", ""), ("alice", "")]
)
def test_a_wrong_password_is_told_where_it_was_typed(api: Api, name: str, password: str, caplog):
    """Neither the page nor the log has it, and the log not the name, either, which may be a password."""
    page = sign_in(api, name, password, next="/a")
    assert 403 == page.status_code
    assert "set-cookie" not in page.headers
    assert "Name or password is wrong. 9 tries are left in this minute." in page.text
    assert 'aria-invalid="true" aria-describedby="error"' in page.text
    assert f'value="{name}"' in page.text
    assert '<input type="hidden" name="next" value="/a">' in page.text
    assert not password or password not in page.text + caplog.text
    assert not name or name not in caplog.text


def test_what_was_typed_cannot_become_a_part_of_the_page(api: Api):
    """Nor can where to go on, nor the host."""
    page = sign_in(api, '"><script>alert(1)</script>', "x", next='/"><b>')
    assert "<script" not in page.text
    assert "<b>" not in page.text
    other = open_service(Config("unused", has_access=True))
    add_person(other, "alice")
    assert "<b>" not in other.get("/sign-in", headers={"Host": "a<b>c"}).text


def test_too_many_tries_have_to_wait(api: Api):
    """And are told for how long."""
    for _ in range(10):
        sign_in(api, "alice", "x")
    page = sign_in(api)
    assert 429 == page.status_code
    assert 0 < int(page.headers["retry-after"]) <= 60
    assert "Nothing is locked" in page.text


FOREIGN = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "javascript:alert(1)", "evil",
    "/\t/evil.example", "/a\r\nSet-Cookie: a=b", " /a", "", "/\u2028", "/" + "a" * 3000, "http:/a", "?a", "/a b",
]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_nobody_is_led_away(api: Api, text: str):
    """Only paths of the service are gone on at."""
    assert "/prefix/docs" == sign_in(api, next=text).headers["location"]
    page = api.get("/sign-in", params={"next": text})
    assert ["name", "password"] == find_form(page.text)


def test_where_to_go_on_is_said_once(api: Api):
    """Of two, neither counts."""
    assert ["name", "password"] == find_form(api.get("/sign-in?next=/a&next=/b").text)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/sign-out-everywhere"])
def test_a_page_of_another_site_signs_nobody_in_or_out(api: Api, path: str, headers: dict[str, str]):
    """Nobody works under somebody else's name without knowing."""
    cookie = get_cookie(sign_in(api))
    answer = api.post(path, data={"name": "alice", "password": PASSWORD}, headers=headers | cookie)
    assert (403, False) == (answer.status_code, "set-cookie" in answer.headers)


FORMS = [
    (b'{"name": "alice"}', "application/json", 415),
    (b"name=alice", "", 415),
    (b"name=alice", "multipart/form-data", 415),
    (b"name=alice&name=bob&password=x", "application/x-www-form-urlencoded", 400),
    (b"name=%ff&password=x", "application/x-www-form-urlencoded", 400),
    (b"name=\xff", "application/x-www-form-urlencoded", 400),
    (b"a=&" * 50, "application/x-www-form-urlencoded", 400),
    (b"name=" + b"a" * 20_000, "application/x-www-form-urlencoded", 413),
    (b"", "application/x-www-form-urlencoded", 403),
]


@pytest.mark.parametrize(("body", "content_type", "status"), FORMS, ids=range(len(FORMS)))
def test_what_is_no_form_is_refused(api: Api, body: bytes, content_type: str, status: int):
    """With a page, too."""
    page = api.post("/sign-in", content=body, headers=OWN | {"Content-Type": content_type})
    assert (status, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])


def test_somebody_signs_out(api: Api):
    """In this browser; another one stays signed in."""
    answer = api.post("/sign-out", headers=OWN | get_cookie(sign_in(api)))
    assert (303, "/prefix/sign-in") == (answer.status_code, answer.headers["location"])
    assert "__Host-heksher=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure" == answer.headers["set-cookie"]


@pytest.mark.storages
def test_somebody_signs_out_everywhere(api: Api):
    """All cookies are void then, and new ones are not; the log says who did it."""
    first, second = get_cookie(sign_in(api)), get_cookie(sign_in(api))
    answer = api.post("/sign-out-everywhere", headers=OWN | first)
    assert (303, "/prefix/sign-in") == (answer.status_code, answer.headers["location"])
    for cookie in (first, second):
        assert "signed in as" not in api.get("/sign-in", headers=cookie).text
    assert "signed in as" in api.get("/sign-in", headers=get_cookie(sign_in(api))).text
    entry = api.read_log()[-1]
    assert ("alice", "person", "alice") == (entry.origin.actor, entry.changes[0].kind, entry.changes[0].key)


@pytest.mark.parametrize("headers", [OWN, OWN | {"Cookie": "__Host-heksher=x"}])
def test_nobody_signs_out_everywhere_who_is_not_signed_in(api: Api, headers: dict[str, str]):
    """Nothing is stored."""
    before = api.revision()
    assert (403, before) == (api.post("/sign-out-everywhere", headers=headers).status_code, api.revision())


def test_a_cookie_counts_for_a_write_only_from_the_own_page(api: Api):
    """A browser says so, and a program that sends a cookie has to."""
    cookie = get_cookie(sign_in(api))
    assert 403 == api.post("/sign-out-everywhere", headers=cookie).status_code
    assert 303 == api.post("/sign-out-everywhere", headers=cookie | {"Sec-Fetch-Site": "same-origin"}).status_code


def test_of_two_cookies_none_counts(api: Api):
    """One may have been put there by somebody else."""
    (cookie,) = get_cookie(sign_in(api)).values()
    page = api.get("/sign-in", headers={"Cookie": f"{cookie}; {cookie}"})
    assert "signed in as" not in page.text


def test_who_was_removed_is_signed_out(api: Api):
    """Also if somebody of the same name is added."""
    cookie = get_cookie(sign_in(api))
    people.remove(api.app.services.storage, "alice", NOBODY, ways_in=None)
    assert "signed in as" not in api.get("/sign-in", headers=cookie).text
    add_person(api, "alice")
    assert "signed in as" not in api.get("/sign-in", headers=cookie).text


def test_where_nobody_has_a_password_it_is_not_asked_for():
    """It is said what to do."""
    api = open_service()
    page = api.get("/sign-in")
    assert 200 == page.status_code
    assert "heksher access person add" in page.text
    assert [] == find_form(page.text)


def test_where_access_is_not_checked_nobody_has_to_sign_in():
    """No page asks for a password, and none is looked at."""
    api = open_service(Config("unused"))
    add_person(api, "alice")
    for answer in (api.get("/sign-in"), sign_in(api, headers={})):
        assert 404 == answer.status_code
        assert "Nobody has to sign in" in answer.text


def test_before_the_database_was_reached_nobody_can_sign_in():
    """And the page says so."""
    page = Api(config=CONFIG).get("/sign-in")
    assert 503 == page.status_code
    assert "has not reached its database yet" in page.text


def test_while_the_database_is_away_people_can_sign_in():
    """If there is a key already; the first one has to be stored."""
    storage = open_fragile()
    api = open_service(CONFIG, storage)
    add_person(api, "alice", "read")
    storage.is_away = True
    assert (503, "1") == ((answer := sign_in(api)).status_code, answer.headers.get("retry-after"))
    storage.is_away = False
    assert 303 == sign_in(api).status_code
    storage.is_away = True
    cookie = get_cookie(sign_in(api))
    assert "signed in as" in api.get("/sign-in", headers=cookie).text


@pytest.mark.parametrize("path", ["/sign-in/oidc", "/sign-in/oidc/callback?code=a&state=b"])
def test_without_a_provider_there_is_no_way_through_it(api: Api, path: str):
    """Nor a link to it."""
    assert 404 == api.get(path).status_code
    assert "oidc" not in api.get("/sign-in").text
