"""People sign in and out with a real browser: by password, and through two real providers of identities."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.config import Config
from heksher.server.operations import people
from heksher.server.storage.base import NOBODY
from heksher.server.storage.memory import MemoryStorage
from tests.browser.conftest import FOREIGN
from tests.browser.identity_providers import CLIENT_ID, CLIENT_SECRET, KINDS, Kind, RunningProvider, running_provider
from tests.support.service import RunningService

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "correct horse"  # noqa: S105 - of this service alone
CLAIMS = {
    "u1": {"preferred_username": "alice", "email": "alice@example.com", "groups": ["support", "other"]},
    "u2": {"email": "eve@example.com", "groups": ["visitors"]},
}
OPEN_FORM = """([url, method]) => {
  document.body.innerHTML = `<form method="${method}" action="${url}"><button>go</button></form>`;
}"""


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@contextmanager
def running_service(port: int, **options: object) -> Iterator[RunningService]:
    """A service that checks who may do what, with an admin who has a password."""
    config = Config("unused", has_access=True, public_url=f"http://127.0.0.1:{port}", **options)
    storage = MemoryStorage()
    storage.open()
    people.add(storage, "dana", parse_grants(["admin"]), PASSWORD, NOBODY)
    with RunningService(storage, config, port) as service:
        yield service


@pytest.fixture(scope="module", params=KINDS)
def provided(request: pytest.FixtureRequest) -> Iterator[tuple[RunningService, RunningProvider]]:
    """A service with each of the providers."""
    kind: Kind = request.param
    port = find_port()
    with (
        running_provider(kind, f"http://127.0.0.1:{port}/sign-in/oidc/callback", CLAIMS) as provider,
        running_service(
            port,
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT_ID,
            oidc_client_secret=CLIENT_SECRET,
            oidc_grants=("support=edit:frontend.", "platform=admin"),
        ) as service,
    ):
        yield service, provider


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    """A service without a provider."""
    with running_service(find_port()) as service:
        yield service


def find_person(service: RunningService, name: str):
    persons = service.storage.read(lambda reader: reader.access().persons)
    return next((person for person in persons if person.name == name), None)


def go_to_provider(page: "Page", service: RunningService, provider: RunningProvider, path: str = "/docs") -> None:
    page.goto(f"{service.url}/sign-in?next={path}")
    page.get_by_role("link", name=f"Sign in with {urlsplit(provider.issuer).netloc}").click()


def sign_in_by_password(page: "Page", service: RunningService, password: str = PASSWORD) -> None:
    page.goto(f"{service.url}/sign-in?next=/redoc")
    page.get_by_label("Name").fill("dana")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_somebody_signs_in_through_a_provider(page: "Page", provided: tuple[RunningService, RunningProvider]):
    """And is where they wanted to go, with what their groups allow, under the name that the provider tells."""
    service, provider = provided
    addresses: list[str] = []
    page.on("response", lambda answer: addresses.append(answer.url))
    go_to_provider(page, service, provider)
    provider.sign_in(page, "u1")
    page.wait_for_url(f"{service.url}/docs")
    person = find_person(service, "alice")
    assert (provider.issuer, "u1", ("edit:frontend.",)) == (person.issuer, person.subject, person.grants)
    (callback,) = [address for address in addresses if "/sign-in/oidc/callback" in address]
    brought = parse_qs(urlsplit(callback).query)
    assert ([provider.issuer] if provider.names_itself else None) == brought.get("iss")
    (cookie,) = [cookie for cookie in page.context.cookies() if cookie["name"].startswith("heksher")]
    assert ("heksher", True, "Lax", "/") == (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"])


def test_who_has_signed_in_before_is_the_same_person(page: "Page", provided: tuple[RunningService, RunningProvider]):
    """Nothing is stored a second time."""
    service, provider = provided
    for _ in range(2):
        go_to_provider(page, service, provider)
        provider.sign_in(page, "u1")
        page.wait_for_url(f"{service.url}/docs")
        revision = service.storage.read(lambda reader: reader.revision())
        page.context.clear_cookies()
    assert revision == find_person(service, "alice").revision


def test_who_has_no_grant_is_told_whom_to_ask(page: "Page", provided: tuple[RunningService, RunningProvider]):
    """And is nobody here."""
    service, provider = provided
    go_to_provider(page, service, provider)
    provider.sign_in(page, "u2")
    page.locator(".note", has_text="You may not do anything here yet").wait_for()
    text = page.inner_text("main")
    assert ["eve@example.com", "visitors", "dana"] == [
        told for told in ("eve@example.com", "visitors", "dana") if told in text
    ]
    assert find_person(service, "eve@example.com") is None
    assert [] == [cookie for cookie in page.context.cookies() if cookie["name"].startswith("heksher")]


def test_who_does_not_sign_in_there_is_not_signed_in_here(
    page: "Page", provided: tuple[RunningService, RunningProvider]
):
    """The page says what the provider has said, and how to begin again."""
    service, provider = provided
    go_to_provider(page, service, provider)
    provider.refuse(page)
    page.locator(".note", has_text="You are not signed in").wait_for()
    # The first one leaves out which sign-in it refuses.
    assert ("access_denied" if provider.names_itself else "(state)") in page.inner_text("main")
    page.get_by_role("link", name="Sign in with").click()
    assert page.url.startswith(provider.issuer)


def test_a_code_counts_once(page: "Page", provided: tuple[RunningService, RunningProvider]):
    """Whoever finds the address in a history signs nobody in with it, in the same browser or in another one."""
    service, provider = provided
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    go_to_provider(page, service, provider)
    provider.sign_in(page, "u1")
    page.wait_for_url(f"{service.url}/docs")
    (address,) = [address for address in addresses if "/sign-in/oidc/callback" in address]
    for _ in range(2):
        assert 400 == page.goto(address).status
        page.context.clear_cookies()


def test_somebody_signs_in_with_a_password(page: "Page", service: RunningService):
    """The page needs no script, and breaks none of its own rules."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    sign_in_by_password(page, service, "wrong")
    page.get_by_text("Name or password is wrong. 9 tries are left").wait_for()
    assert "dana" == page.get_by_label("Name").input_value()
    assert [] == [text for text in complaints if "403" not in text]
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{service.url}/redoc")
    page.goto(f"{service.url}/sign-in")
    page.get_by_text("You are signed in as dana").wait_for()


def test_somebody_signs_out(page: "Page", service: RunningService):
    """Here, and everywhere."""
    sign_in_by_password(page, service)
    page.wait_for_url(f"{service.url}/redoc")
    (kept,) = page.context.cookies()
    for button in ("Sign out", "Sign out everywhere"):
        page.context.add_cookies([kept])
        page.goto(f"{service.url}/sign-in")
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_label("Password").wait_for()
        assert [] == page.context.cookies()
    page.context.add_cookies([kept])
    page.goto(f"{service.url}/sign-in")
    page.get_by_label("Password").wait_for()


def test_a_link_from_another_site_finds_somebody_signed_in(page: "Page", service: RunningService, site_port: int):
    """So links can be shared; but no form of another site signs anybody out."""
    sign_in_by_password(page, service)
    page.wait_for_url(f"{service.url}/redoc")
    for method in ("get", "post"):
        page.goto(f"http://{FOREIGN}:{site_port}/")
        path = "/sign-in" if method == "get" else "/sign-out-everywhere"
        page.evaluate(OPEN_FORM, [f"{service.url}{path}", method])
        page.get_by_role("button").click()
        page.wait_for_url(f"{service.url}{path}**")
        assert ("signed in as dana" if method == "get" else "a web page of") in page.inner_text("body")
    page.goto(f"{service.url}/sign-in")
    page.get_by_text("You are signed in as dana").wait_for()


def test_the_page_is_not_shown_within_another_one(page: "Page", service: RunningService, site_port: int):
    """Nobody types a password into a frame that another page has covered."""
    page.goto(f"http://{FOREIGN}:{site_port}/")
    page.evaluate("url => { document.body.innerHTML = `<iframe src='${url}'></iframe>`; }", f"{service.url}/sign-in")
    page.wait_for_timeout(500)
    assert "Password" not in page.frames[-1].content()
