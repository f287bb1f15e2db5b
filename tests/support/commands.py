"""The commands that ask a service, in this process on a service in it; and the real ones, at a terminal."""

import fcntl
import os
import struct
import subprocess
import termios
from typing import NamedTuple

import httpx2
import pytest
from click.testing import CliRunner

from heksher.cli.remote import service
from heksher.cli.root import heksher
from tests.support.access import give_token, make_guarded
from tests.support.api import Api
from tests.support.processes import DEADLINE_S

# Of this machine, as nobody is on the way to it who could read a token.
URL = "http://heksher.localhost"

_TOKEN = "hks_" + "a" * 43


class Ran(NamedTuple):
    """What a command has written, and its exit status."""

    status: int
    stdout: str
    stderr: str = ""


class ApiTransport(httpx2.BaseTransport):
    """Hands requests to a service in this process, and remembers them.

    Args:
        api: the service.

    Attributes:
        requests: those that were sent.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        path = request.url.raw_path.decode()
        headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        # Identity: what is compressed would be read by the client of the service already.
        headers["accept-encoding"] = "identity"
        answer = self._api.request(request.method, path, headers=headers, content=request.read())
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Commands:
    """Runs commands on a service.

    Args:
        api: the service.
        monkeypatch: to have requests handed to it.

    Attributes:
        sent: the requests so far.
        token: of the next commands; ``None`` for none.
    """

    def __init__(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        transport = ApiTransport(api)
        monkeypatch.setattr(service, "_CLIENT_ARGS", {"transport": transport})
        self.sent = transport.requests
        self.token: str | None = None

    def run(self, *arguments: str, stdin: str | None = None) -> Ran:
        """Run ``heksher`` with arguments."""
        environment = {"HEKSHER_URL": URL, "HEKSHER_TOKEN": self.token}
        result = CliRunner(env=environment).invoke(heksher, arguments, input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return Ran(result.exit_code, result.stdout, result.stderr)


def ask_as(api: Api, monkeypatch: pytest.MonkeyPatch, *grants: str) -> Commands:
    """Return commands on a service that asks for a token, with one that has these grants.

    Without grants they have no token.

    Args:
        api: a service on the same storage.
        monkeypatch: see ``Commands``.
        grants: of the token.
    """
    if grants:
        give_token(api.storage, *grants, secret=_TOKEN)
    commands = Commands(make_guarded(api), monkeypatch)
    commands.token = _TOKEN if grants else None
    return commands


def run_at_terminal(arguments: list[str], environment: dict[str, str], columns: int) -> Ran:
    """Run a program at a terminal that is so wide, and return all that it shows there."""
    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    # The variable would be believed in the place of the terminal.
    own = {name: value for name, value in environment.items() if name != "COLUMNS"} | {"TERM": "xterm-256color"}
    program = subprocess.Popen(arguments, env=own, stdin=end, stdout=end, stderr=end)
    os.close(end)
    shown = b""
    # On Linux, reading fails when nobody has the other end open any more.
    while chunk := _read(terminal):
        shown += chunk
    os.close(terminal)
    return Ran(program.wait(DEADLINE_S), shown.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
