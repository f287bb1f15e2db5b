"""Dispatchers: when the program is told of changes, in which order, and by which thread."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from heksher.changes import Change
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.rule_set import Rule, RuleSet
from heksher.setting import Setting
from tests.support.processes import run_python

DEADLINE_S = 10.0

# Forks while another thread is in a callback, and publishes in the child.
FORK = """
import os, threading, warnings
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.rule_set import RuleSet
from heksher.setting import Setting

warnings.simplefilter("ignore", DeprecationWarning)  # what forking with threads is from Python 3.12 on
parent = os.getpid()
setting = Setting("size", int, ["a"], 0)
dispatcher = Dispatcher()
begun, may_end = threading.Event(), threading.Event()
told = []

def publish(value):
    evaluation = Evaluation(RuleSet("size", (), ("a",)), value, "server default", ClientContext(("a",)), ("a",))
    dispatcher.switch(setting, evaluation.compile())
    dispatcher.drain()

def first(change):
    told.append(("first", change.before(), change.after()))

def second(change):
    if os.getpid() == parent:
        begun.set()
        may_end.wait()
    told.append(("second", change.before(), change.after()))

setting.on_change(first)
setting.on_change(second)
thread = threading.Thread(target=publish, args=(1,))
thread.start()
begun.wait()
read, write = os.pipe()
child = os.fork()
if child == 0:
    publish(2)
    os.write(write, repr(told).encode())
    os._exit(0)
os.close(write)
print(os.read(read, 10_000).decode())
os.waitpid(child, 0)
may_end.set()
thread.join()
print(told)
"""


def make_setting(name: str = "size") -> Setting[int]:
    return Setting(name, int, ["a", "b"], 0)


def evaluate(setting: Setting[int], default: int, *rules: Rule[int]) -> Evaluation[int]:
    features = setting.configurable_features
    rule_set = RuleSet(setting.name, rules, features)
    return Evaluation(rule_set, default, "server default", ClientContext(features), features)


def switch(dispatcher: Dispatcher, setting: Setting[int], default: int, *rules: Rule[int]) -> None:
    """Have a setting answer otherwise, without telling it yet."""
    dispatcher.switch(setting, evaluate(setting, default, *rules).compile())


def publish(dispatcher: Dispatcher, setting: Setting[int], default: int, *rules: Rule[int]) -> None:
    """Have a setting answer otherwise, and tell it."""
    switch(dispatcher, setting, default, *rules)
    dispatcher.drain()


class Log:
    """Notes changes as texts."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, change: Change[int], **contexts: str) -> None:
        self.lines.append(f"{change.setting.name}: {change.before(**contexts)} to {change.after(**contexts)}")

    def named(self, name: str) -> Callable[[Change[int]], None]:
        """Return a callback that notes who it is."""

        def note(change: Change[int]) -> None:
            self.lines.append(name)
            self.note(change)

        return note


@contextmanager
def running(*functions: Callable[[], object]) -> Iterator[None]:
    """Run functions in threads of their own, and wait for their end."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_switch() -> None:
    """A setting answers at once; its subscribers are told when the dispatcher drains."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    setting.on_change(log.note)
    for default in (1, 2):
        switch(dispatcher, setting, default)
    assert (2, []) == (setting.get(), log.lines)
    for _ in range(2):
        dispatcher.drain()
    assert ["size: 0 to 1", "size: 1 to 2"] == log.lines


def test_no_change() -> None:
    """An evaluation that answers alike is no change; nor is the same evaluation, compiled again."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    setting.on_change(log.note)
    publish(dispatcher, setting, 0)
    dispatcher.switch(setting, setting._evaluation.compile())
    dispatcher.drain()
    assert [] == log.lines


def test_setting_before_client() -> None:
    """The subscribers of the setting are told before those of the client, setting by setting."""
    dispatcher, sizes, log = Dispatcher(), [make_setting("height"), make_setting("width")], Log()
    dispatcher.on_change(log.named("client"))
    for size in sizes:
        size.on_change(log.named("setting"))
    for size in sizes:
        switch(dispatcher, size, 1)
    dispatcher.drain()
    expected = [(who, f"{name}: 0 to 1") for name in ("height", "width") for who in ("setting", "client")]
    assert [line for lines in expected for line in lines] == log.lines


def test_nothing_is_compared_without_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as nobody is subscribed to a setting or the client, its changes cost nothing and are not kept."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    compared: list[object] = []
    monkeypatch.setattr(Evaluation, "answers_as", lambda *evaluations: compared.append(evaluations))
    publish(dispatcher, setting, 1)
    assert [] == compared
    for subscribe in (setting.on_change, dispatcher.on_change):
        subscribe(log.note).cancel()
        publish(dispatcher, setting, 2)
        assert [] == compared
    for subscribe in (setting.on_change, setting.on_change, dispatcher.on_change):
        subscribe(log.note)
    publish(dispatcher, setting, 3)
    assert 1 == len(compared), "for all subscribers together"


def test_subscribers_of_the_moment_of_the_change() -> None:
    """Who subscribes after a change is not told of it, though it is still to be told to others."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    setting.on_change(log.named("early"))
    switch(dispatcher, setting, 1)
    setting.on_change(log.named("late"))
    dispatcher.on_change(log.named("client"))
    dispatcher.drain()
    assert ["early", "size: 0 to 1"] == log.lines


def test_cancelled_before_it_is_told() -> None:
    """Who cancels after a change, but before it is told, is not told."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    subscriptions = [setting.on_change(log.note), dispatcher.on_change(log.note)]
    switch(dispatcher, setting, 1)
    for subscription in subscriptions:
        subscription.cancel()
    dispatcher.drain()
    assert [] == log.lines


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        (None, ["size", "speed", "speed"]),
        ({"a": "x"}, ["size", "speed"]),
        ({"a": "y"}, ["size", "speed"]),
        ({"a": "x", "c": "z"}, ["size", "speed"]),
        ({"c": "z"}, ["size"]),
        ({}, ["size"]),
    ],
)
def test_context_of_the_client(contexts: Mapping[str, str] | None, expected: list[str]) -> None:
    """A context of the client means, for each setting, those of its features that the setting is configurable by."""
    dispatcher, size, speed = Dispatcher(), Setting("size", int, ["b"], 0), make_setting("speed")
    names: list[str] = []
    dispatcher.on_change(lambda change: names.append(change.setting.name), contexts)
    publish(dispatcher, size, 1)
    publish(dispatcher, speed, 0, Rule(1, (("a", "x"),), 1))
    publish(dispatcher, speed, 1, Rule(1, (("a", "x"),), 1))
    assert expected == names


def test_weak_subscription() -> None:
    """The client, too, can hold a callback weakly."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    lines = log.lines
    dispatcher.on_change(log.note, weak=True)
    publish(dispatcher, setting, 1)
    del log
    publish(dispatcher, setting, 2)
    assert ["size: 0 to 1"] == lines


def test_payload_in_order() -> None:
    """Events of another kind are told in order with the changes."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    states = dispatcher.make_subscribers()
    dispatcher.post_call(states, "nobody hears")
    states.add(log.lines.append)
    setting.on_change(log.note)
    dispatcher.post_call(states, "current")
    switch(dispatcher, setting, 1)
    dispatcher.post_call(states, "stale")
    dispatcher.drain()
    assert ["current", "size: 0 to 1", "stale"] == log.lines


def test_callback_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that raises is logged, and keeps nobody from being told of this change and the next."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()

    def fail(change: Change[int]) -> None:
        raise ZeroDivisionError

    for callback in (fail, log.note):
        setting.on_change(callback)
        dispatcher.on_change(callback)
    for default in (1, 2):
        publish(dispatcher, setting, default)
    assert ["size: 0 to 1"] * 2 + ["size: 1 to 2"] * 2 == log.lines
    assert 4 == len(caplog.records)


def test_interrupted_drain() -> None:
    """When Ctrl-C ends a drain, the next one tells all that is left."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()

    def interrupt(change: Change[int]) -> None:
        if change.after() == 1:
            raise KeyboardInterrupt

    for callback in (interrupt, log.note):
        setting.on_change(callback)
    with pytest.raises(KeyboardInterrupt):
        publish(dispatcher, setting, 1)
    assert [] == log.lines
    publish(dispatcher, setting, 2)
    assert ["size: 0 to 1", "size: 1 to 2"] == log.lines


# ---- threads


def test_callback_that_publishes() -> None:
    """A change that a callback causes is told after the call, not within it, however long the chain."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()

    def count(change: Change[int]) -> None:
        log.note(change)
        if change.after() < 3000:
            publish(dispatcher, setting, change.after() + 1)
        log.note(change)

    setting.on_change(count)
    publish(dispatcher, setting, 1)
    assert [f"size: {value} to {value + 1}" for value in range(3000) for _ in range(2)] == log.lines


def test_nobody_waits_for_a_callback() -> None:
    """While a thread is in a callback, another one publishes without waiting; its change is told by the first one."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()
    begun, may_end = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def wait(change: Change[int]) -> None:
        begun.set()
        may_end.wait(DEADLINE_S)
        threads.append(threading.current_thread())
        log.note(change)

    setting.on_change(wait)
    with running(lambda: publish(dispatcher, setting, 1)):
        assert begun.wait(DEADLINE_S)
        with running(lambda: publish(dispatcher, setting, 2)):
            pass
        assert (2, []) == (setting.get(), log.lines)
        may_end.set()
    assert ["size: 0 to 1", "size: 1 to 2"] == log.lines
    assert 1 == len(set(threads))


def test_many_threads() -> None:
    """However many threads publish, each change is told once, in order, and one call at a time."""
    dispatcher, setting = Dispatcher(), make_setting()
    lock = threading.Lock()
    steps: list[tuple[int, int]] = []
    inside: list[int] = []
    most_inside: set[int] = set()

    def note(change: Change[int]) -> None:
        inside.append(1)
        steps.append((change.before(), change.after()))
        most_inside.add(len(inside))
        inside.pop()

    def count() -> None:
        for _ in range(300):
            with lock:
                switch(dispatcher, setting, setting.get() + 1)
            dispatcher.drain()

    setting.on_change(note)
    with running(*[count] * 4):
        pass
    assert ([(value, value + 1) for value in range(1200)], {1}) == (steps, most_inside)


def test_fork_in_a_callback() -> None:
    """A child that is forked while another thread is in a callback tells what that call was about, and goes on."""
    in_child, in_parent = run_python(["-"], FORK)
    second = [("second", 0, 1)]
    assert repr([("first", 0, 1), *second, ("first", 1, 2), ("second", 1, 2)]) == in_child
    assert repr([("first", 0, 1), *second]) == in_parent


# ---- coroutine functions


def test_coroutine_functions_are_run() -> None:
    """With a loop to run them on, coroutine functions are called in order; other callbacks do not wait for them."""

    async def run() -> None:
        tasks: list[asyncio.Task[Any]] = []
        dispatcher = Dispatcher(lambda coroutine: tasks.append(asyncio.create_task(coroutine)))
        setting, log = make_setting(), Log()
        states = dispatcher.make_subscribers()

        async def note(payload: Change[int]) -> None:
            await asyncio.sleep(0)
            log.note(payload)

        async def note_state(payload: str) -> None:
            log.lines.append(payload)

        setting.on_change(note)
        dispatcher.on_change(note)
        states.add(note_state)
        for default in (1, 2):
            publish(dispatcher, setting, default)
        dispatcher.post_call(states, "current")
        dispatcher.drain()
        assert [] == log.lines
        await asyncio.wait(tasks, timeout=DEADLINE_S)
        assert ["current", *["size: 0 to 1"] * 2, *["size: 1 to 2"] * 2] == log.lines

    asyncio.run(run())


def test_coroutine_functions_are_refused() -> None:
    """Without a loop, the client refuses coroutine functions, for events of every kind."""
    dispatcher = Dispatcher()

    async def note(change: object) -> None:
        """Do nothing."""

    for subscribe in (dispatcher.on_change, dispatcher.make_subscribers().add):
        with pytest.raises(TypeError, match="only an asynchronous client can run"):
            subscribe(note)


def test_coroutine_function_of_a_setting(caplog: pytest.LogCaptureFixture) -> None:
    """A setting takes coroutine functions, as its client may run them; one that cannot says so once."""
    dispatcher, setting, log = Dispatcher(), make_setting(), Log()

    async def note(change: Change[int]) -> None:
        """Do nothing."""

    setting.on_change(note)
    setting.on_change(log.note)
    for default in (1, 2):
        publish(dispatcher, setting, default)
    [record] = caplog.records
    assert "which only an asynchronous client can run" in record.getMessage()
    assert 2 == len(log.lines)
