"""Being told of changes by both clients: of real ones, with no lock held, whatever the program's functions do."""

import queue
from typing import Any

import pytest

from heksher import Setting
from heksher.changes import Change
from tests.support.drivers import SHORT_S, Driver
from tests.support.fake_service import DEADLINE_S, FakeService


def test_only_real_changes_are_told(driver: Driver, service: FakeService):
    """An update that says the same, or that changes another setting, is no change of this one."""
    setting, other = (Setting(name, int, ["a"], 0) for name in ("s", "other"))
    service.set_default("s", 1)
    service.set_default("other", 1)
    client = driver.start(service)
    heard: list[Change[int]] = []
    setting.on_change(heard.append)
    client.reload()
    service.set_default("other", 2)
    client.reload()
    assert [] == heard
    service.add_rule("s", 1, 5, a="x")
    client.reload()
    assert [(1, 5)] == [(change.before(a="x"), change.after(a="x")) for change in heard]
    assert 2 == other.get()


def test_the_first_update_is_a_change(driver: Driver, service: FakeService):
    """From the default in the code to what the service says."""
    setting = Setting("s", int, ["a"], 0)
    heard: list[Change[int]] = []
    setting.on_change(heard.append)
    service.set_default("s", 1)
    driver.start(service)
    assert [(0, 1)] == [(change.before(), change.after()) for change in heard]


def test_changes_of_any_setting(driver: Driver, service: FakeService):
    """The client tells of all its settings, in a context if that is wanted."""
    settings = [Setting(name, int, ["a"], 0) for name in ("s", "t")]
    client = driver.start(service)
    heard: list[str] = []
    client.native.on_change(lambda change: heard.append(change.setting.name))
    in_context: list[str] = []
    client.native.on_change(lambda change: in_context.append(change.setting.name), {"a": "x", "b": "y"})
    service.set_default("s", 1)
    service.add_rule("t", 1, 5, a="other")
    client.reload()
    assert (["s", "t"], ["s"]) == (sorted(heard), in_context)
    assert [1, 0] == [setting.get(a="x") for setting in settings]


def test_no_lock_is_held(driver: Driver, service: FakeService):
    """A function that is called may read, take snapshots, and create settings."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look(change: Change[int]) -> None:
        heard.put((change.after(), setting.get(), client.native.snapshot().get(setting), client.native.status.state))
        client.native.set_defaults(b="x")
        heard.put(Setting("new", int, ["a"], 0).get())
        heard.put(client.native.modification_lock.locked())

    setting.on_change(look)
    service.set_default("s", 1)
    client.reload()
    assert [(1, 1, 1, "current"), 0, False] == [heard.get(timeout=DEADLINE_S) for _ in range(3)]


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3)])
def test_functions_that_fail(driver: Driver, service: FakeService, error: BaseException):
    """What one function raises disturbs neither the others nor the updates in the background."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service, interval_s=SHORT_S)

    def fail(_change: Change[int]) -> None:
        raise error

    heard: queue.SimpleQueue[int] = queue.SimpleQueue()
    setting.on_change(fail)
    setting.on_change(lambda change: heard.put(change.after()))
    for value in (1, 2, 3):
        service.set_default("s", value)
        assert value == heard.get(timeout=DEADLINE_S)
    assert "current" == client.native.status.state


def test_reload_in_a_function(driver: Driver, service: FakeService):
    """A function of the thread client may reload; one of the asynchronous client may be a coroutine that does."""
    setting = Setting("s", int, ["a"], 0)
    client = driver.start(service)
    heard: queue.SimpleQueue[int] = queue.SimpleQueue()

    def reload_once(change: Change[int]) -> None:
        if change.after() == 1:
            service.set_default("s", 2)
            client.native.reload()
        heard.put(change.after())

    async def reload_once_later(change: Change[int]) -> None:
        if change.after() == 1:
            service.set_default("s", 2)
            await client.native.reload()
        heard.put(change.after())

    setting.on_change(reload_once if driver.kind == "thread" else reload_once_later)
    service.set_default("s", 1)
    client.reload()
    assert [1, 2] == [heard.get(timeout=DEADLINE_S) for _ in range(2)]


def test_a_coroutine_function_under_the_thread_client(driver: Driver, service: FakeService):
    """Only an asynchronous client can run one, so the thread client refuses it when it is subscribed."""
    client = driver.start(service)

    async def listen(_change: Change[Any]) -> None:
        raise AssertionError

    if driver.kind == "thread":
        with pytest.raises(TypeError, match="coroutine"):
            client.native.on_change(listen)
    else:
        client.native.on_change(listen).cancel()
