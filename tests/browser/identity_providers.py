"""Two providers of identities in processes of their own, and how somebody signs in there with a browser.

They differ in what they tell where: the first one has all claims in its ID tokens and does not name itself in what
people bring back; the second one, which is certified, has them at its userinfo endpoint alone, and does.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx2

from tools.identity_providers import NODE_PLACE, PYTHON, find_node

if TYPE_CHECKING:
    from playwright.sync_api import Page

CLIENT_ID = "heksher"
CLIENT_SECRET = "s3cret+of/the=service"  # noqa: S105 - of these providers alone

Claims = Mapping[str, Mapping[str, object]]

_CERTIFIED = Path(__file__).parent / "providers" / "certified.mjs"
_START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RunningProvider:
    """A provider that answers.

    Attributes:
        issuer: its identifier.
        names_itself: whether it does in what people bring back from it (RFC 9207).
    """

    issuer: str
    names_itself: bool

    def sign_in(self, page: "Page", name: str) -> None:
        """Sign somebody in on the provider's page, which the browser shows."""
        if self.names_itself:
            page.locator("input[name=login]").fill(name)
            page.locator("input[name=password]").fill("any")
            page.get_by_role("button", name="Sign-in").click()
            page.get_by_role("button", name="Continue").click()
        else:
            page.get_by_placeholder("sub").fill(name)
            page.get_by_role("button", name="Authorize").click()

    def refuse(self, page: "Page") -> None:
        """Do not sign in on the provider's page."""
        if self.names_itself:
            page.get_by_role("link", name="Cancel").click()
        else:
            page.get_by_role("button", name="Deny").click()


Kind = Literal["mock", "certified"]
KINDS: Sequence[Kind] = ("mock", "certified")


@contextmanager
def running_provider(kind: Kind, redirect_uri: str, claims: Claims) -> Iterator[RunningProvider]:
    """Run a provider inside the block.

    Args:
        kind: which of them.
        redirect_uri: where it sends people back to.
        claims: of people, by their names.
    """
    assert PYTHON.exists(), "make test-browser runs these tests: it builds the providers"
    if kind == "certified":
        command = [str(find_node()), str(_CERTIFIED), str(NODE_PLACE), redirect_uri, json.dumps(claims)]
        with _running(command) as process:
            issuer = process.stdout.readline().strip()
            assert issuer, "the provider has ended"
            yield RunningProvider(issuer, names_itself=True)
        return
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    people = [f"--user-claims={json.dumps({'sub': name, **told})}" for name, told in claims.items()]
    command = [str(PYTHON), "-m", "oidc_provider_mock", "--host", "127.0.0.1", "--port", str(port), *people]
    with _running(command):
        issuer = f"http://127.0.0.1:{port}"
        _wait_for(f"{issuer}/.well-known/openid-configuration")
        yield RunningProvider(issuer, names_itself=False)


@contextmanager
def _running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    end_s = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            httpx2.get(url).raise_for_status()
        except httpx2.HTTPError:
            assert time.monotonic() < end_s, "the provider does not answer"
            time.sleep(0.05)
        else:
            return
