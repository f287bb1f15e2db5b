"""The thread client, as far as it differs from the asynchronous one. What both do is in the conformance suite."""

import inspect
import threading

import pytest

from heksher import ThreadHeksherClient, main_client
from heksher.exceptions import StatusError
from heksher.setting import Setting
from tests.support.fake_service import DEADLINE_S, QUERY, FakeService, answer
from tests.support.threads import NewThreads


@pytest.fixture
def service() -> FakeService:
    return FakeService("a")


def make_client(service: FakeService, interval_s: float = 3600) -> ThreadHeksherClient:
    return ThreadHeksherClient(service.url, interval_s, ["a"], http_client_args=service.client_args)


def test_arguments() -> None:
    """The published arguments come first, and what is new are options; a failed start does not raise by default."""
    parameters = inspect.signature(ThreadHeksherClient).parameters
    assert list(parameters)[:4] == ["service_url", "update_interval", "context_features", "http_client_args"]
    assert {name: parameters[name].default for name in list(parameters)[3:]} == {
        "http_client_args": None,
        "on_start_failure": "continue",
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


def test_one_thread_in_the_background(service: FakeService, new_threads: NewThreads) -> None:
    """While a client runs there is one thread, which does not keep the program from ending; then there is none."""
    with make_client(service):
        assert [thread.daemon for thread in new_threads.find()] == [True]
    assert new_threads.find() == []


def test_start_that_must_not_fail(service: FakeService, new_threads: NewThreads) -> None:
    """A client that is to raise when its start fails leaves nothing behind when it does."""
    args = service.client_args
    client = ThreadHeksherClient(service.url, 60, ["a"], http_client_args=args, on_start_failure="raise")
    with service.behaving(QUERY, answer(500)), pytest.raises(StatusError):
        client.set_as_main()
    assert (new_threads.find(), main_client.get()) == ([], None)
    client.close()


@pytest.mark.parametrize("interval_s", [float("inf"), 1e300])
def test_interval_longer_than_threads_can_wait(service: FakeService, interval_s: float) -> None:
    """A client that is to update practically never is awake for new settings all the same."""
    with make_client(service, interval_s) as client:
        updated = threading.Event()
        client.on_update_ok = updated.set  # type: ignore[method-assign]  # short for a subclass
        service.set_default("size", 1)
        setting = Setting("size", int, ["a"], 0)
        assert updated.wait(DEADLINE_S)
        assert setting.get(a="x") == 1


class WatchedLock:
    """Stands in for the lock: notes what a setting answers when it is taken, and when it is given back."""

    def __init__(self, setting: Setting[int]) -> None:
        self._setting = setting
        self.seen: list[int] = []

    def __enter__(self) -> None:
        self.seen.append(self._setting.get())

    def __exit__(self, *_args: object) -> None:
        self.seen.append(self._setting.get())


def test_values_change_under_the_lock(service: FakeService) -> None:
    """Values change while modification_lock is held, so a program that holds it keeps them as they are."""
    setting = Setting("size", int, ["a"], 0)
    service.set_default("size", 1)
    with make_client(service) as client:
        service.set_default("size", 2)
        lock = WatchedLock(setting)
        client.modification_lock = lock  # type: ignore[assignment]  # as far as it is used
        client.reload()
        assert lock.seen == [1, 2]
