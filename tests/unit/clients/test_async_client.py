"""The asynchronous client, as far as it differs from the thread client. What both do is in the conformance suite."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

import pytest

from heksher import AsyncHeksherClient, ThreadHeksherClient, main_client
from heksher.exceptions import StatusError
from heksher.setting import Setting
from tests.support.fake_service import QUERY, FakeService, answer


@pytest.fixture
def service() -> FakeService:
    return FakeService("a")


def make_client(service: FakeService) -> AsyncHeksherClient:
    return AsyncHeksherClient(service.url, 3600, ["a"], http_client_args=service.client_args)


def name_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def run_started(service: FakeService, use: Callable[[AsyncHeksherClient], Awaitable[None]]) -> None:
    """Run a function with a client that is started."""

    async def run() -> None:
        async with make_client(service) as client:
            await use(client)

    asyncio.run(run())


def test_arguments() -> None:
    """The published arguments come first, and what is new are options; a failed start raises by default."""
    parameters = inspect.signature(AsyncHeksherClient).parameters
    assert list(parameters)[:4] == ["service_url", "update_interval", "context_features", "http_client_args"]
    assert {name: parameters[name].default for name in list(parameters)[3:]} == {
        "http_client_args": None,
        "on_start_failure": "raise",
        "start_timeout": 30,
        "last_known_file": None,
        "bootstrap": None,
        "max_response_bytes": 256 * 2**20,
        "request_timeout": 60,
        "updates": "auto",
        "on_missing_context": "raise",
        "token": None,
        "client_name": None,
    }


def test_same_names_as_the_thread_client() -> None:
    """Whoever knows one client knows the other: the public names are the same, but for aclose."""
    names = {name for name in dir(AsyncHeksherClient) if not name.startswith("_")}
    assert {name for name in dir(ThreadHeksherClient) if not name.startswith("_")} == names - {"aclose"}


def test_creation_needs_no_loop(service: FakeService) -> None:
    """A client can be created where modules are imported, long before there is a loop."""
    client = make_client(service)
    assert isinstance(client.modification_lock, asyncio.Lock)
    asyncio.run(client.aclose())


def test_one_task_in_the_background(service: FakeService) -> None:
    """While a client runs there is one task, which says what it is; afterwards there is none."""

    async def run() -> None:
        client = make_client(service)
        assert name_tasks() == []
        await client.set_as_main()
        assert name_tasks() == ["heksher updates"]
        await client.aclose()
        assert name_tasks() == []

    asyncio.run(run())


def test_failed_start_leaves_no_task(service: FakeService) -> None:
    """A start that fails raises, and nothing keeps running."""

    async def run() -> None:
        client = make_client(service)
        with service.behaving(QUERY, answer(500)), pytest.raises(StatusError):
            await client.set_as_main()
        assert (name_tasks(), main_client.get()) == ([], None)
        await client.aclose()

    asyncio.run(run())


@pytest.mark.trap(22)
def test_close_in_another_loop(service: FakeService) -> None:
    """A client whose loop has come to its end can be closed in another one."""
    client = make_client(service)
    asyncio.run(client.set_as_main())
    asyncio.run(client.aclose())
    asyncio.run(client.aclose())
    assert main_client.get() is None


def test_setting_after_the_loop(service: FakeService) -> None:
    """A setting that is created when the client's loop is closed is an ordinary setting."""
    client = make_client(service)
    asyncio.run(client.set_as_main())
    setting = Setting("size", int, ["a"], 5)
    assert setting.get(a="x") == 5
    asyncio.run(client.aclose())


def test_close_is_deprecated(service: FakeService) -> None:
    """The old name of aclose works, and says that there is another."""

    async def use(client: AsyncHeksherClient) -> None:
        with pytest.warns(DeprecationWarning, match=r"close\(\) is deprecated, use aclose\(\)"):
            await client.close()
        assert client._is_over()

    run_started(service, use)


class WatchedLock:
    """Stands in for the lock: notes what a setting answers when it is taken, and when it is given back."""

    def __init__(self, setting: Setting[int]) -> None:
        self._setting = setting
        self.seen: list[int] = []

    async def __aenter__(self) -> None:
        self.seen.append(self._setting.get())

    async def __aexit__(self, *_args: object) -> None:
        self.seen.append(self._setting.get())


def test_values_change_under_the_lock(service: FakeService) -> None:
    """Values change while modification_lock is held, so a program that holds it keeps them as they are."""
    setting = Setting("size", int, ["a"], 0)
    service.set_default("size", 1)

    async def use(client: AsyncHeksherClient) -> None:
        service.set_default("size", 2)
        lock = WatchedLock(setting)
        client.modification_lock = lock  # type: ignore[assignment]  # as far as it is used
        await client.reload()
        assert lock.seen == [1, 2]

    run_started(service, use)
