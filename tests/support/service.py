"""The service for tests: in this process on a given storage, or as the real command in a process of its own."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Self

import httpx2
from starlette.types import ASGIApp

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.http.http_limits import HttpLimits
from heksher.server.run import Server
from heksher.server.storage.base import Storage
from heksher.server.storage.memory import MemoryStorage

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


Wrap = Callable[[ASGIApp], ASGIApp]


class HttpOperations:
    """What tests do with a service by HTTP; mixed into what has a service.

    Attributes:
        http: a client of the service.
    """

    http: httpx2.Client

    def add_features(self, *features: str) -> None:
        for feature in features:
            self.http.post("/api/v1/context_features", json={"context_feature": feature}).raise_for_status()

    def declare(self, name: str, **attributes) -> dict:
        """Declare a setting, of type ``int`` with default 0 on all features of the service unless told otherwise."""
        features = self.http.get("/api/v1/context_features").json()["context_features"]
        body = {"name": name, "configurable_features": features, "type": "int", "default_value": 0, **attributes}
        return self.http.post("/api/v1/settings/declare", json=body).raise_for_status().json()

    def add_rule(self, setting: str, conditions: dict[str, str], value) -> int:
        body = {"setting": setting, "feature_values": conditions, "value": value}
        return self.http.post("/api/v1/rules", json=body).raise_for_status().json()["rule_id"]


class RunningService(HttpOperations):
    """The application under its own server, on a thread of this process, on a port that the kernel chose.

    A context manager, and also usable with ``start`` and ``stop``. The storage is opened at start, and closed at the
    end only if it was made here: so a test can start a second service on the storage of the first.

    Args:
        storage: where the service keeps its data; ``None`` for a new storage in memory.
        config: of the application; the database in it is not used.
        port: to come back on the port of an earlier service; 0 for one that the kernel chooses.
        wrap: gives what is to stand in front of the application.

    Attributes:
        url: such as ``http://127.0.0.1:43125``.
        http: a client with this base URL.
    """

    # What stands in front of the applications of services that do not say.
    default_wrap: ClassVar[Wrap] = staticmethod(lambda app: app)

    def __init__(
        self, storage: Storage | None = None, config: Config | None = None, port: int = 0, wrap: Wrap | None = None
    ) -> None:
        self._owns_storage = storage is None
        self._wrap = wrap or self.default_wrap
        self.storage = storage or MemoryStorage()
        self._config = config or Config(database="unused")
        self._port = port

    def start(self) -> Self:
        self.storage.open()
        listener = socket.create_server(("127.0.0.1", self._port))
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        ready = threading.Event()
        self._application = Application(self._config, self.storage)
        self._running = self._application.run()
        self._running.__enter__()
        # A busy machine may let seconds pass between two requests; then one would meet a closing connection.
        limits = HttpLimits(keep_alive_s=3600)
        self._server = Server(self._wrap(self._application), ready.set, limits=limits)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        assert ready.wait(START_TIMEOUT_S), "the service did not start in time"
        self.http = httpx2.Client(base_url=self.url, timeout=START_TIMEOUT_S)
        return self

    def stop(self) -> None:
        self.http.close()
        self._application.end_streams()
        self._server.stop()
        self._thread.join(STOP_TIMEOUT_S)
        assert not self._thread.is_alive(), "the service did not stop in time"
        self._running.__exit__(None, None, None)
        if self._owns_storage:
            self.storage.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_) -> None:
        self.stop()


class ServiceProcess:
    """``heksher serve`` in a process of its own. A context manager, which stops it in the end.

    Args:
        database: a path or URL.
        options: further arguments of the command.
        environment: variables on top of this process's, without those that configure a service.
        prefix: what the command is started with, such as ``setpriv``; it has to become the command.

    Attributes:
        url: as the command printed it.
        lines: all that the command has written so far, both streams.
        process: the process.
    """

    def __init__(
        self,
        database: str | Path | None,
        *options: str,
        environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self._command = [*prefix, sys.executable, "-m", "heksher", "serve", "--port", "0", *options]
        if database is not None:
            self._command += ["--db", str(database)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HEKSHER_", "DOC_ONLY"))}
        self._environment = inherited | (environment or {})
        self.lines: list[str] = []

    def start(self) -> Self:
        """Start the process and wait until it answers."""
        self.launch()
        while True:
            line = self._fresh_lines.get(timeout=START_TIMEOUT_S)
            assert line is not None, f"the service ended at start: {''.join(self.lines)}"
            if " listens on http" in line:
                self.url = line.partition(" listens on ")[2].split()[0]
                return self

    def launch(self) -> None:
        """Start the process without waiting."""
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._fresh_lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """Wait until the process has ended by itself; return its exit code."""
        code = self.process.wait(START_TIMEOUT_S)
        self._reader.join(STOP_TIMEOUT_S)
        self.process.stdout.close()
        return code

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """End the process with a signal; return its exit code."""
        self.process.send_signal(signal_number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill(self) -> None:
        """End the process as a power failure would."""
        self.process.kill()
        self.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.stop()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line)
            self._fresh_lines.put(line)
        self._fresh_lines.put(None)
