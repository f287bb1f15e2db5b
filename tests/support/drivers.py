"""One way to drive both clients, so that one suite of plain, synchronous tests holds for both.

The asynchronous client runs on an event loop in a thread of its own. Every call has a deadline: a client that hangs is
a test that fails. A conftest that imports ``driver`` and ``own_process`` has them as fixtures.
"""

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from heksher import AsyncHeksherClient, ThreadHeksherClient, main_client
from heksher.clients.base_client import BaseHeksherClient
from heksher.clients.util import SettingData
from tests.support.fake_service import DEADLINE_S, FakeService
from tests.support.threads import NewThreads

# An interval that does not pass during a test.
LONG_S = 3600.0
# One that passes at once.
SHORT_S = 0.01
# For clients that are to make no updates but those that a test asks for. With an interval, however long, one that has
# failed is tried again at a random moment within a second, which may be the next.
NO_INTERVAL = None


class RecordsOutcomes:
    """Mixed into a client: keeps how each update ended, ``None`` for well."""

    def __init__(self, *args, **kwargs) -> None:
        self.outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        super().__init__(*args, **kwargs)

    def on_update_ok(self) -> None:
        self.outcomes.put(None)

    def on_update_error(self, exc: Exception) -> None:
        self.outcomes.put(exc)


class RecordingAsyncClient(RecordsOutcomes, AsyncHeksherClient):
    """An asynchronous client that keeps how its updates ended."""


class RecordingThreadClient(RecordsOutcomes, ThreadHeksherClient):
    """A thread client that keeps how its updates ended."""


class DrivenClient:
    """A client with blocking calls.

    Attributes:
        native: the client itself, for everything about it that does not wait.
    """

    def __init__(self, driver: "Driver", native: Any) -> None:
        self._driver = driver
        self.native = native

    def begin(self, method: str, *args) -> "Future[Any]":
        """Call a method of the client without waiting for its end."""
        return self._driver.begin(getattr(self.native, method), *args)

    def call(self, method: str, *args) -> Any:
        """Call a method of the client, and wait for its end."""
        return self.begin(method, *args).result(DEADLINE_S)

    def start(self) -> None:
        self.call("set_as_main")

    def reload(self) -> None:
        self.call("reload")

    def ping(self) -> None:
        self.call("ping")

    def get_settings(self) -> dict[str, SettingData]:
        return self.call("get_settings")

    def begin_close(self) -> "Future[None]":
        return self.begin(self._driver.close_method)

    def close(self) -> None:
        self.call(self._driver.close_method)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run a ``with`` or ``async with`` block of the client."""
        self.call(self._driver.enter_method)
        try:
            yield
        finally:
            self.call(self._driver.exit_method, None, None, None)

    @contextmanager
    def modification_lock(self) -> Iterator[None]:
        """Hold the client's lock."""
        self._driver.run(self.native.modification_lock.acquire)
        try:
            yield
        finally:
            self._driver.run(self.native.modification_lock.release)

    def await_outcome(self) -> Exception | None:
        """Wait for the end of the next update that no call of this method has told of."""
        return self.native.outcomes.get(timeout=DEADLINE_S)

    def await_success(self) -> None:
        """Wait for the next update that ends well."""
        while self.await_outcome() is not None:
            pass


class Driver(ABC):
    """Makes clients of one kind, and runs their calls.

    Attributes:
        kind: ``"async"`` or ``"thread"``.
    """

    kind: str
    client_class: type[BaseHeksherClient]
    recording_class: type[BaseHeksherClient]
    close_method: str
    enter_method: str
    exit_method: str

    def __init__(self) -> None:
        self._clients: list[DrivenClient] = []

    def create(
        self,
        service: FakeService,
        features: Iterable[str] | None = None,
        *,
        url: str | None = None,
        interval_s: float | None = LONG_S,
        http_client_args: dict[str, Any] | None = None,
        client_class: type[BaseHeksherClient] | None = None,
        **options: Any,
    ) -> DrivenClient:
        """Make a client of a service; without anything said, one that knows the service's features."""
        args = service.client_args if http_client_args is None else http_client_args
        features = service.features if features is None else features
        make: Any = client_class or self.recording_class
        client = DrivenClient(
            self, make(service.url if url is None else url, interval_s, features, http_client_args=args, **options)
        )
        self._clients.append(client)
        return client

    def start(self, service: FakeService, features: Iterable[str] | None = None, **options: Any) -> DrivenClient:
        """Make a client and start it; a start that fails raises."""
        client = self.create(service, features, on_start_failure="raise", **options)
        client.start()
        return client

    def run(self, function: Callable[..., Any], *args) -> Any:
        """Call a function, which may be a coroutine function, where the clients run."""
        return self.begin(function, *args).result(DEADLINE_S)

    def stop(self) -> None:
        """Close all clients, and see that nothing of them goes on."""
        for client in self._clients:
            client.close()
        assert [] == self.find_leftovers()

    @abstractmethod
    def begin(self, function: Callable[..., Any], *args) -> "Future[Any]":
        """Call a function, which may be a coroutine function, without waiting for its end."""

    @abstractmethod
    def find_leftovers(self) -> list[str]:
        """Name the tasks, or threads, of clients that do not come to their end."""


class ThreadDriver(Driver):
    """Drives thread clients; each call is made on a thread of its own."""

    kind = "thread"
    client_class = ThreadHeksherClient
    recording_class = RecordingThreadClient
    close_method = "close"
    enter_method = "__enter__"
    exit_method = "__exit__"

    def __init__(self) -> None:
        super().__init__()
        self._threads = NewThreads()

    def begin(self, function: Callable[..., Any], *args) -> "Future[Any]":
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)

        threading.Thread(target=run, name="test-call", daemon=True).start()
        return future

    def find_leftovers(self) -> list[str]:
        names = {"heksher", "heksher-request", "heksher-stream"}
        threads = [thread for thread in self._threads.find() if thread.name in names]
        for thread in threads:
            thread.join(DEADLINE_S)
        return [thread.name for thread in threads if thread.is_alive()]


class AsyncDriver(Driver):
    """Drives asynchronous clients, all on one event loop in a thread."""

    kind = "async"
    client_class = AsyncHeksherClient
    recording_class = RecordingAsyncClient
    close_method = "aclose"
    enter_method = "__aenter__"
    exit_method = "__aexit__"

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-loop", daemon=True)
        self._thread.start()

    def begin(self, function: Callable[..., Any], *args) -> "Future[Any]":
        async def run() -> Any:
            result = function(*args)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    def find_leftovers(self) -> list[str]:
        return self.run(_await_other_tasks)

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE_S)
            self._loop.close()


async def _await_other_tasks() -> list[str]:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    left = (await asyncio.wait(tasks, timeout=DEADLINE_S / 2))[1] if tasks else ()
    return [task.get_name() for task in left]


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without a main client, and without the settings that other tests may have left."""
    monkeypatch.setattr(main_client, "_main", None)
    monkeypatch.setattr(main_client, "_settings", {})


@pytest.fixture(params=[AsyncDriver, ThreadDriver], ids=["async", "thread"])
def driver(request: pytest.FixtureRequest, own_process: None) -> Iterator[Driver]:
    """What makes and drives clients of each kind; they are closed at the end."""
    driver: Driver = request.param()
    yield driver
    driver.stop()
