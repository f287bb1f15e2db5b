"""What ``make demo`` shows: a rule changes on the service, and a running application reads another value.

Starts a service on an embedded SQLite file in a temporary directory, and ``introduction.py`` as an application of it,
in a process of its own. Then it adds a rule and changes it, over HTTP, and shows what the application reads before and
after. The service and its page stay open until Ctrl-C, for trying things out; with ``--once`` the demonstration ends
by itself, with status 0 only if the application's value followed the rule.
"""

import argparse
import contextlib
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

import httpx2

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
FIRST_PORT = 8000
# Generous, for machines that are busy; nothing waits that long unless something is wrong.
DEADLINE_S = 30.0
UPDATE_INTERVAL_S = 0.2


class DemoError(Exception):
    """The demonstration cannot go on; the message says why."""


class Application:
    """The application's process, and what it prints."""

    def __init__(self, process: "subprocess.Popen[str]", output: IO[str]) -> None:
        self.process = process
        # The lines that nobody has read yet; None after the last one.
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._collect, args=(output,), daemon=True).start()

    def _collect(self, output: IO[str]) -> None:
        for line in output:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def wait_for_values(self, user: str, cache_ttl: int) -> list[str]:
        """Wait until the application says that a user gets a value; return all that it said until then.

        Raises:
            DemoError: it did not say so in time, or ended.
        """
        said = []
        deadline = time.monotonic() + DEADLINE_S
        with contextlib.suppress(queue.Empty):
            while (line := self.lines.get(timeout=max(0, deadline - time.monotonic()))) is not None:
                said.append(line)
                if re.match(rf"{user} gets cache_ttl={cache_ttl}\b", line):
                    return said
        raise DemoError(f"the application did not read cache_ttl={cache_ttl} for {user}; it said: {said}")


def find_free_port() -> int:
    """Return the first port from 8000 on that is free, so that the page usually has the same address."""
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise DemoError(f"no port from {FIRST_PORT} to {FIRST_PORT + 99} is free")


def start(command: list[str], stdout: IO[str] | int, stderr: IO[str] | None = None) -> "subprocess.Popen[str]":
    """Start one of the two processes."""
    # Neither of them is to be configured by what the user's shell happens to say.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HEKSHER_", "DOC_ONLY"))}
    environment = {**inherited, "ENVIRONMENT": "dev", "PYTHONUNBUFFERED": "1"}
    # A session of its own: Ctrl-C is for the demonstration, which ends the others in the right order.
    return subprocess.Popen(command, stdout=stdout, stderr=stderr, text=True, env=environment, start_new_session=True)


@contextlib.contextmanager
def stopping(process: "subprocess.Popen[str]") -> Iterator[None]:
    """End a process as Ctrl-C would, in the end."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running_service(directory: Path, port: int) -> Iterator[str]:
    """Run ``heksher serve`` on an embedded database, and return its URL once it is ready."""
    command = [sys.executable, "-m", "heksher", "serve", "--host", HOST, "--port", str(port)]
    command += ["--db", str(directory / "heksher.db"), "--context-features", "environment,user,theme"]
    log = directory / "service.log"
    with log.open("w") as output:
        process = start(command, stdout=output, stderr=output)
    with stopping(process):
        yield wait_for_url(process, log)


def wait_for_url(process: "subprocess.Popen[str]", log: Path) -> str:
    """Wait until the service says where it listens, and give that."""
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        if match := re.search(r"listens on (http://\S+)", log.read_text()):
            return match[1]
        time.sleep(0.02)
    raise DemoError(f"the service does not start; it said:\n{log.read_text()}")


@contextlib.contextmanager
def running_application(url: str) -> Iterator[Application]:
    """Run the introduction's application against the service."""
    command = [sys.executable, str(HERE / "introduction.py"), "--url", url]
    command += ["--watch", "--interval", str(UPDATE_INTERVAL_S)]
    process = start(command, stdout=subprocess.PIPE)
    with stopping(process):
        if process.stdout is None:
            raise DemoError("the application's output cannot be read")
        yield Application(process, process.stdout)


def send(method: str, url: str, body: dict[str, object]) -> "httpx2.Response":
    """Send a request to the service, and show it."""
    text = json.dumps(body)
    say(f"     curl -X {method} {url} -H 'Content-Type: application/json' \\")
    say(f"          -d '{text}'")
    response = httpx2.request(method, url, json=body)
    if not response.is_success:
        raise DemoError(f"the service refused that: {response.status_code} {response.text}")
    return response


def show_change(url: str, application: Application) -> None:
    """Add a rule, change it, and show what the application makes of it.

    Raises:
        DemoError: the application's value did not follow.
    """
    say("\n1. Before. There are no rules, so everyone gets the defaults:")
    before = application.wait_for_values("guest", 60)
    say_values(before)

    say("\n2. A new rule: in the environment dev, cache_ttl is 10 for the user guest.")
    conditions = {"environment": "dev", "user": "guest"}
    body: dict[str, object] = {"setting": "cache_ttl", "feature_values": conditions, "value": 10}
    rule_id = send("POST", f"{url}/api/v1/rules", body).json()["rule_id"]
    show_effect(application, 60, 10)

    say("\n3. The rule changes: cache_ttl is now 5.")
    send("PUT", f"{url}/api/v1/rules/{rule_id}/value", {"value": 5})
    show_effect(application, 10, 5)


def show_effect(application: Application, before: int, after: int) -> None:
    """Wait until the application reads the new value, and show who gets what."""
    accepted_at = time.monotonic()
    lines = application.wait_for_values("guest", after)
    took_s = time.monotonic() - accepted_at
    say("   The application, which was not restarted:")
    say_values(lines)
    say(f"   guest: {before} → {after}, {took_s:.2f} s after the service accepted it. alice: 60, no rule is for her.")


def stay_open(url: str, application: Application) -> NoReturn:
    """Leave everything running, and show what the application reads, until the user has enough."""
    say(f"\nThe service is open: {url}/docs   Try other rules there; the application's values appear below.")
    say("Ctrl-C ends everything and removes the database.\n")
    while (line := application.lines.get()) is not None:
        say_values([line])
    raise DemoError("the application has ended")


def say_values(lines: list[str]) -> None:
    """Print those of the application's lines that say what somebody gets."""
    for line in lines:
        if " gets " in line:
            say(f"     {line}")


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def end(_signal: int, _frame: object) -> NoReturn:
    """Turn a signal into an exception, so that the processes and the temporary directory are cleared away."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the demonstration; return the exit status."""
    parser = argparse.ArgumentParser(description="a rule changes, and a running application reads another value")
    parser.add_argument("--once", action="store_true", help="end by itself, with status 0 if the value followed")
    parser.add_argument("--port", type=int, help="of the service (default: the first free one from 8000 on)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="heksher-demo-") as directory,
            running_service(Path(directory), find_free_port() if arguments.port is None else arguments.port) as url,
            running_application(url) as application,
        ):
            say(f"service       {url}, on an embedded SQLite file in {directory}")
            say(f"application   examples/introduction.py, asks for changes every {UPDATE_INTERVAL_S} s")
            show_change(url, application)
            if not arguments.once:
                stay_open(url, application)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nended")
        return 130 if arguments.once else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
