"""Running the service. What needs a process of its own is in the integration tests."""

import asyncio
import socket
import time
from pathlib import Path

import httpx2
import pytest

from heksher.server.config import Config
from heksher.server.errors import StartupError
from heksher.server.run import (
    GRACEFUL_SHUTDOWN_S,
    Server,
    _warn_of_gaps,
    describe_database,
    listen,
    make_default_directory,
    run_service,
)
from heksher.server.scratch import METRICS, RESTORE
from heksher.server.storage.memory import MemoryStorage
from tests.support.processes import DEADLINE_S
from tests.support.serving import serving


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_free_port_is_found(host: str):
    """The system chooses it."""
    with listen(host, 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_port_in_use_is_told():
    """With the port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartupError, match=rf"127\.0\.0\.1 port {port}: .*--port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["", "no such host", "host.invalid", "a" * 500, "\udc80", "192.0.2.1"])
def test_an_address_that_is_none_is_told(host: str):
    """Whatever the system says to it, in one line."""
    with pytest.raises(StartupError, match="cannot listen on") as raised:
        listen(host, 0)
    assert 1 == len(str(raised.value).splitlines())


def test_what_killed_processes_left_is_removed_at_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A copy of the whole database by a restore, and the numbers of several workers; not what has no lock."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = {"heksher-restore-abcdefgh", "another"}
    for name in {f"{RESTORE}abcdefgh", f"{METRICS}abcdefgh"} | kept:
        (tmp_path / name).mkdir()
    with pytest.raises(StartupError, match="cannot listen"):
        run_service(Config("memory:", host="host.invalid"), lambda _: None)
    assert kept == {path.name for path in tmp_path.iterdir()}


async def answer_nothing(scope, receive, send) -> None:
    raise AssertionError("nobody asks anything")


def test_a_stop_before_the_server_runs_ends_it_at_once():
    """A signal may come while the service is still starting."""
    with listen("127.0.0.1", 0) as listener:
        server = Server(answer_nothing, when_ready=lambda: None)
        server.stop()
        server.run([listener])


async def answer_never(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first,", "more_body": True})
    await asyncio.Event().wait()


def test_a_second_stop_can_do_without_what_is_under_way():
    """As a second Ctrl-C does; the answer ends where it is."""
    with serving(answer_never) as (url, server), httpx2.stream("GET", url, timeout=DEADLINE_S) as response:
        parts = response.iter_bytes()
        assert b"first," == next(parts)
        started_s = time.monotonic()
        server.stop()
        server.stop(is_forced=True)
        with pytest.raises(httpx2.RemoteProtocolError):
            next(parts)
        assert time.monotonic() - started_s < GRACEFUL_SHUTDOWN_S


def test_what_would_not_end_by_itself_is_told_to_end():
    """At once, in the event loop, and once, however often the server is stopped."""
    stopping = asyncio.Event()
    calls: list[asyncio.AbstractEventLoop] = []

    async def stream(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first,", "more_body": True})
        await stopping.wait()
        await send({"type": "http.response.body", "body": b"last", "more_body": False})

    def stop() -> None:
        calls.append(asyncio.get_running_loop())
        stopping.set()

    with (
        serving(stream, stop) as (url, server),
        httpx2.stream("GET", url, timeout=DEADLINE_S) as response,
    ):
        parts = response.iter_bytes()
        assert b"first," == next(parts)
        started_s = time.monotonic()
        server.stop()
        server.stop()
        assert b"last" == b"".join(parts)
        assert time.monotonic() - started_s < GRACEFUL_SHUTDOWN_S
    assert 1 == len(calls)


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("{}/heksher.db", "database: {}/heksher.db"),
        ("sqlite:///{}/heksher.db", "database: {}/heksher.db"),
        ("memory:", "database: in memory, so it ends with the service"),
    ],
)
def test_the_service_says_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database: str, said: str):
    """When it is ready: the address that it was given, the documentation and the database."""
    lines: list[str] = []
    config = Config(database.format(tmp_path), port=0)

    def run(self: Server, listeners: list[socket.socket]) -> None:
        self.stop()
        run_server(self, listeners)

    run_server = Server.run
    monkeypatch.setattr(Server, "run", run)
    run_service(config, lines.append)
    first, second = lines
    url = first.split()[4]
    assert url.startswith("http://127.0.0.1:")
    assert first.endswith(f"(documentation: {url}/docs)")
    assert said.format(tmp_path) == second


def test_a_database_that_is_away_again_is_not_asked_for_its_features(caplog: pytest.LogCaptureFixture):
    """The service starts all the same; whoever follows the database says what is wrong."""
    _warn_of_gaps(Config("memory:"), MemoryStorage())
    assert [] == caplog.messages


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        ("postgresql://ada:secret@host:5432/db", "postgresql://ada@host:5432/db"),
        ("postgresql+psycopg://ada:secret@[::1]:5432/db", "postgresql://ada@[::1]:5432/db"),
        ("postgresql://ada:s/e?c#r:e[t@host/db", "postgresql://ada@host/db"),
        ("postgresql://ada:%40secret@host/db", "postgresql://ada@host/db"),
        ("postgresql://ada@host/db?password=secret&sslpassword=secret", "postgresql://ada@host/db"),
        ("postgresql:///db?user=ada&password=secret", "postgresql:///db"),
        ("postgresql://ada@host/db", "postgresql://ada@host/db"),
        ("postgresql://host/db", "postgresql://host/db"),
    ],
)
def test_a_password_is_never_said(database: str, expected: str):
    """Nor are parameters, which may have one; user, host, port and database are."""
    assert expected == describe_database(database)


def test_several_workers_need_a_system_that_can_fork(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Elsewhere the message says what to do."""
    monkeypatch.delattr("os.fork")
    config = Config(str(tmp_path / "heksher.db"), workers=2, port=0)
    with pytest.raises(StartupError, match="several workers need a system with fork"):
        run_service(config, lambda _: None)
    assert [] == list(tmp_path.iterdir())


def test_the_default_directory_is_made(tmp_path: Path):
    """Nobody has made it before; one that a user names must be there."""
    database = str(tmp_path / "data" / "heksher" / "heksher.db")
    make_default_directory(Config(database))
    make_default_directory(Config(database, doc_only=True, is_default_database=True))
    assert [] == list(tmp_path.iterdir())
    make_default_directory(Config(database, is_default_database=True))
    assert (tmp_path / "data" / "heksher").is_dir()


def test_a_default_directory_that_cannot_be_made_is_told(tmp_path: Path):
    """With the directory, and what to do."""
    (tmp_path / "file").touch()
    config = Config(str(tmp_path / "file" / "heksher" / "heksher.db"), is_default_database=True)
    with pytest.raises(StartupError, match=r"file/heksher .*--db"):
        make_default_directory(config)
