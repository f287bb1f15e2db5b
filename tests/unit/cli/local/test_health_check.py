"""``heksher health``: whether a service is ready, and where it is asked."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from heksher.cli.local.health_check import find_reachable
from heksher.cli.root import heksher as command
from tests.support.service import RunningService

READY = '{"ready":true,"revision":17,"age_s":0.1,"database":"up"}'


def check(*arguments: str, **environment: str) -> Result:
    cleared = dict.fromkeys(name for name in os.environ if name.startswith("HEKSHER_"))
    return CliRunner(env=cleared | environment).invoke(command, ["health", *arguments])


@contextmanager
def answering(*bodies: str, status: int = 200) -> Iterator[str]:
    """Answer one connection after another, and yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for body in bodies:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                    connection.sendall((head + body).encode())

        answerer = threading.Thread(target=answer, daemon=True)
        answerer.start()
        yield str(listener.getsockname()[1])
        answerer.join(10)


def test_a_service_that_is_ready_is_well():
    """With exit status 0 and what it knows; by the option and by the variable that the service reads."""
    with RunningService() as service:
        for result in (check("--port", str(service.port)), check(HEKSHER_PORT=str(service.port))):
            assert (0, "ready: revision 0, database up\n") == (result.exit_code, result.output)
        assert 0 == check(HEKSHER_PORT=str(service.port), HEKSHER_HOST="0.0.0.0").exit_code


def test_a_service_is_asked_by_a_name_that_it_goes_by(monkeypatch: pytest.MonkeyPatch):
    """Whatever name of the machine it was told to listen on."""
    find = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more: find("127.0.0.1" if host == "vm" else host, *more))
    with RunningService() as service:
        result = check("--host", "vm", "--port", str(service.port))
    assert (0, "ready: revision 0, database up\n") == (result.exit_code, result.output)


@pytest.mark.parametrize("host", ["a b", "a" * 300, "x\ry"])
def test_a_host_that_can_be_none_is_told(host: str):
    """In a line."""
    result = check("--host", host, "--port", "1")
    assert (1, True) == (result.exit_code, "does not answer: " in result.output)


def test_a_service_that_is_not_there_is_not_well():
    """With exit status 1 and one line that says where it was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = check("--port", str(port))
    assert (1, 1) == (result.exit_code, len(result.output.splitlines()))
    assert f"the service on 127.0.0.1 port {port} does not answer: " in result.output


@pytest.mark.parametrize("body", ["", "hello", "[]", "7", "{}", '{"ready":true}', READY[:-1]])
def test_what_is_no_service_is_not_well(body: str):
    """Another program may have the port."""
    with answering(body) as port:
        result = check("--port", port)
    assert (1, f"Error: what answers on 127.0.0.1 port {port} is no Heksher service\n") == (
        result.exit_code,
        result.output,
    )


def test_a_service_that_is_not_ready_is_not_well():
    """It says what it knows."""
    with answering(READY.replace("true", "false"), status=503) as port:
        result = check("--port", port)
    assert (1, f"Error: the service on 127.0.0.1 port {port} is not ready: revision 17, database up\n") == (
        result.exit_code,
        result.output,
    )


def test_a_service_that_starts_can_be_waited_for():
    """As whatever starts it does; not for longer than it says."""
    with answering(READY.replace("true", "false"), READY) as port:
        assert "ready: revision 17, database up\n" == check("--port", port, "--wait", "30").output
    started_s = time.monotonic()
    assert 1 == check("--port", port, "--wait", "1").exit_code
    assert 1 <= time.monotonic() - started_s < 5


@pytest.mark.parametrize(("variable", "value"), [("HEKSHER_PORT", "http"), ("HEKSHER_HOST", " ")])
def test_an_address_that_makes_no_sense_is_told(variable: str, value: str):
    """By the variable's name; what the others say does not matter here."""
    result = check(**{variable: value, "HEKSHER_WORKERS": "many"})
    assert (1, True) == (result.exit_code, result.output.startswith(f"Error: {variable}: "))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("::1", "::1"), ("10.0.0.7", "10.0.0.7"), ("localhost", "localhost")],
)
def test_all_addresses_are_asked_at_the_loopback_one(host: str, expected: str):
    """A service on one address is asked there."""
    assert expected == find_reachable(host)
