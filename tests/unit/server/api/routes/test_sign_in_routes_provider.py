"""Signing in through a provider of identities: the routes, what is stored of people, and what their groups allow."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2
import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.config import Config
from heksher.server.operations import people
from heksher.server.storage.base import NOBODY
from tests.support.api import Api
from tests.support.catalogs import open_fragile
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, read_query

HOST = "https://heksher.test"
SUBJECT = "248289761001"


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with IdentityProvider() as idp:
        yield idp


@pytest.fixture
def config(idp: IdentityProvider) -> Config:
    return Config(
        "unused",
        has_access=True,
        public_url=f"{HOST}/prefix",
        oidc_issuer=idp.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_grants=("support=edit:frontend.", "platform=admin", "support=read"),
    )


@pytest.fixture
def api(config: Config) -> Api:
    return open_service(config)


def open_service(config: Config, storage=None) -> Api:
    """Return a service that is loaded."""
    api = Api(storage, config)
    api.app.services.catalog.refresh()
    return api


def find_cookie(answer: httpx2.Response, name: str) -> str | None:
    """Return what a browser keeps after an answer; ``None`` if the answer says nothing about it."""
    texts = [text.partition(";") for text in answer.headers.get_list("set-cookie")]
    found = [pair for pair, _, attributes in texts if pair.startswith(f"{name}=") and "Max-Age=0" not in attributes]
    return found[0] if found else None


def travel(api: Api, idp: IdentityProvider, path: str = "") -> httpx2.Response:
    """Go to the provider, sign in, and come back from another site, as a browser does; return the last answer."""
    departure = api.get(f"/sign-in/oidc{path}")
    assert 303 == departure.status_code, departure.text
    back = urlsplit(idp.sign_in(departure.headers["location"]))
    assert f"{HOST}/prefix/sign-in/oidc/callback" == f"{back.scheme}://{back.netloc}{back.path}"
    headers = {
        "Cookie": find_cookie(departure, "__Host-heksher-sign-in"),
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    return api.get(f"/sign-in/oidc/callback?{back.query}", headers=headers)


def list_people(api: Api):
    return api.storage.read(lambda reader: reader.access().persons)


def test_the_page_leads_to_the_provider_with_a_link(api: Api, idp: IdentityProvider):
    """The answer to a form may not lead to another site, by the page's own policy."""
    page = api.get("/sign-in?next=/a?b=c")
    (link,) = re.findall(r'href="(sign-in/oidc[^"]*)"', page.text)
    assert "sign-in/oidc?next=%2Fa%3Fb%3Dc" == link
    assert f"Sign in with {urlsplit(idp.issuer).netloc}" in page.text
    assert "<form" not in page.text


def test_passwords_can_be_used_beside_it(api: Api):
    """If anybody has one."""
    people.add(api.app.services.storage, "alice", parse_grants(["admin"]), "correct horse", NOBODY)
    page = api.get("/sign-in").text
    assert page.index("sign-in/oidc") < page.index("or with a password") < page.index("<form")


@pytest.mark.storages
def test_somebody_signs_in(api: Api, idp: IdentityProvider):
    """And goes on where they wanted to; their groups become grants, and the log says so, without anything secret."""
    idp.claims = {"preferred_username": "alice", "groups": ["support", "other"]}
    answer = travel(api, idp, "?next=/settings")
    assert (303, "/settings", "no-store") == (
        answer.status_code,
        answer.headers["location"],
        answer.headers["cache-control"],
    )
    (person,) = list_people(api)
    assert ("alice", ("edit:frontend.", "read"), None) == (person.name, person.grants, person.password_hash)
    assert (idp.issuer, SUBJECT) == (person.issuer, person.subject)
    page = api.get("/sign-in", headers={"Cookie": find_cookie(answer, "__Host-heksher")})
    assert "signed in as <b>alice</b>" in page.text
    # The first entry is that of the key.
    *_, entry = api.read_log()
    (change,) = entry.changes
    assert ("sign in", "person", "alice", None) == (change.action, change.kind, change.key, change.before)
    assert ["edit:frontend.", "read"] == change.after["grants"]


def test_nothing_is_stored_if_nothing_has_changed(api: Api, idp: IdentityProvider):
    """Most who sign in have done so before."""
    idp.claims = {"preferred_username": "alice", "groups": ["support"]}
    travel(api, idp)
    before = api.revision()
    assert "/prefix/docs" == travel(api, idp).headers["location"]
    assert before == api.revision()


def test_grants_follow_the_groups_at_each_sign_in(api: Api, idp: IdentityProvider):
    """The person stays the same, and keeps the name that the log knows, whatever the provider calls them now."""
    idp.claims = {"preferred_username": "alice", "groups": ["support"]}
    travel(api, idp)
    (before,) = list_people(api)
    idp.claims = {"preferred_username": "alice.new", "groups": ["platform"]}
    travel(api, idp)
    (after,) = list_people(api)
    assert replace(before, grants=("admin",)) == after
    (change,) = api.read_log()[-1].changes
    assert ({"grants": ["edit:frontend.", "read"]}, {"grants": ["admin"]}) == (change.before, change.after)


def test_who_has_no_grant_is_told_whom_to_ask(api: Api, idp: IdentityProvider):
    """And what the provider says of them; nothing is stored of them, and they get no cookie."""
    people.add(api.app.services.storage, "dana", parse_grants(["admin"]), None, NOBODY)
    idp.claims = {"email": "eve@example.com", "groups": ["visitors", "<b>"]}
    page = travel(api, idp)
    assert 403 == page.status_code
    for text in ("eve@example.com", "visitors, &lt;b&gt;", "dana"):
        assert text in page.text
    assert "<form" not in page.text
    assert find_cookie(page, "__Host-heksher") is None
    assert ["dana"] == [person.name for person in list_people(api)]


def test_who_has_lost_all_groups_has_lost_all_grants(api: Api, idp: IdentityProvider):
    """Also in the browsers in which they are signed in."""
    idp.claims = {"preferred_username": "alice", "groups": ["platform"]}
    travel(api, idp)
    idp.claims = {"preferred_username": "alice"}
    page = travel(api, idp)
    assert (403, True) == (page.status_code, "as alice" in page.text)
    assert [()] == [person.grants for person in list_people(api)]


def test_nobody_becomes_somebody_else_by_a_name_or_an_address(api: Api, idp: IdentityProvider):
    """The identity is issuer and subject."""
    people.add(api.app.services.storage, "alice", parse_grants(["admin"]), "correct horse", NOBODY)
    for subject in ("1", "2"):
        idp.claims = {"sub": subject, "preferred_username": "alice", "email": "alice@example.com", "groups": "support"}
        idp.userinfo = {"sub": subject}
        assert 303 == travel(api, idp).status_code
    assert {"alice": None, "alice (2)": "1", "alice (3)": "2"} == {
        person.name: person.subject for person in list_people(api)
    }
    (admin, *others) = list_people(api)
    assert ("admin",) == admin.grants
    assert [("edit:frontend.", "read")] * 2 == [person.grants for person in others]


def test_the_same_subject_of_another_provider_is_somebody_else(api: Api, idp: IdentityProvider, config: Config):
    """As when the service gets another one."""
    idp.claims = {"preferred_username": "alice", "groups": "support"}
    travel(api, idp)
    with IdentityProvider() as other:
        other.claims = {"preferred_username": "alice", "groups": "platform"}
        second = open_service(replace(config, oidc_issuer=other.issuer), api.storage)
        assert 303 == travel(second, other).status_code
    assert ["alice", "alice (2)"] == [person.name for person in list_people(api)]


NAMES = [
    ({"preferred_username": "Ada Lovelace"}, "Ada Lovelace"),
    ({"preferred_username": " "}, SUBJECT),
    ({"preferred_username": 7, "email": "a@example.com"}, "a@example.com"),
    ({"preferred_username": "a\u202eb", "name": "A B"}, "A B"),
    ({"preferred_username": "team/ada"}, "team_ada"),
    ({"preferred_username": "a" * 300}, "a" * 90),
    ({"name": "hks_" + "a" * 43}, SUBJECT),
]


@pytest.mark.parametrize(("claims", "name"), NAMES, ids=range(len(NAMES)))
def test_somebody_is_called_by_the_first_name_that_can_be_one(api: Api, idp: IdentityProvider, claims: dict, name: str):
    """It stands in lists, in the log and in paths."""
    idp.claims = claims | {"groups": "support"}
    assert 303 == travel(api, idp).status_code
    assert [name] == [person.name for person in list_people(api)]


def test_what_cannot_be_believed_signs_nobody_in(api: Api, idp: IdentityProvider):
    """The page says why, and how to begin again; the cookie of what was begun is gone."""
    idp.claims = {"nonce": "x", "groups": "platform"}
    page = travel(api, idp)
    assert (400, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert "The ID token is not for this sign-in: nonce." in page.text
    assert 'href="../../sign-in/oidc"' in page.text
    (removed,) = page.headers.get_list("set-cookie")
    assert removed.startswith("__Host-heksher-sign-in=; Max-Age=0")
    assert () == list_people(api)


def test_nothing_that_is_secret_is_told_or_logged(api: Api, idp: IdentityProvider, caplog: pytest.LogCaptureFixture):
    """Neither codes nor states, tokens, cookies or the service's secret, whether it goes well or not."""
    caplog.set_level("DEBUG")
    idp.claims = {"preferred_username": "alice", "groups": "support"}
    departure = api.get("/sign-in/oidc")
    cookie = find_cookie(departure, "__Host-heksher-sign-in")
    url = idp.sign_in(departure.headers["location"])
    state, code = (read_query(url)[name][0] for name in ("state", "code"))
    path = f"/sign-in/oidc/callback?{urlsplit(url).query}"
    first, again = (api.get(path, headers={"Cookie": cookie}) for _ in range(2))
    assert [303, 400] == [first.status_code, again.status_code]
    session = find_cookie(first, "__Host-heksher")
    # Without what the client of this test has logged, which knows its own requests.
    logged = [line for line in caplog.text.splitlines() if "//heksher.test/" not in line]
    shown = "\n".join(logged) + again.text + "".join(f"{entry}" for entry in api.read_log())
    for secret in (state, code, cookie, session.partition("=")[2], CLIENT_SECRET, "access-1"):
        assert secret not in shown


def test_a_provider_that_is_away_is_named(api: Api, idp: IdentityProvider):
    """It is not the fault of whoever wants to sign in."""
    idp.broken["/.well-known/openid-configuration"] = (503, {}, b"")
    page = api.get("/sign-in/oidc")
    assert 502 == page.status_code
    assert "answered 503" in page.text
    assert "It is not your fault" in page.text


@pytest.mark.parametrize("query", ["", "code=a", "code=a&state=b&state=c", "error=access_denied&state=x", "a=%ff"])
def test_an_answer_that_nobody_has_asked_for_is_refused(api: Api, query: str):
    """Such as one that somebody else was to bring."""
    page = api.get(f"/sign-in/oidc/callback?{query}")
    assert 400 == page.status_code
    assert "You are not signed in" in page.text


def test_strangers_cannot_have_the_service_ask_the_provider_all_the_time(api: Api, idp: IdentityProvider):
    """Answers from one address are counted, as tries with passwords are."""
    for _ in range(30):
        assert 400 == api.get("/sign-in/oidc/callback?code=a&state=b").status_code
    assert 429 == api.get("/sign-in/oidc/callback?code=a&state=b").status_code
    assert [] == idp.asked


def test_a_person_who_is_known_can_sign_in_while_the_database_is_away(idp: IdentityProvider, config: Config):
    """If nothing is to be stored."""
    storage = open_fragile()
    api = open_service(config, storage)
    idp.claims = {"preferred_username": "alice", "groups": "support"}
    assert 303 == travel(api, idp).status_code
    storage.is_away = True
    assert 303 == travel(api, idp).status_code
    idp.claims = {"preferred_username": "alice", "groups": "platform"}
    assert 503 == travel(api, idp).status_code
