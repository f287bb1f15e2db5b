"""Callbacks: who is called, in which order, by whom, and how it ends."""

import asyncio
import gc
import logging
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn
from unittest.mock import AsyncMock

import pytest

from heksher.subscription import Subscribers, TryLock
from tests.support.collector import without_collector

DEADLINE_S = 10.0


class Recorder:
    """Has a method for a callback."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def note(self, payload: object) -> None:
        self.calls.append(payload)


class AsyncCallable:
    """Is called like a coroutine function."""

    async def __call__(self, payload: object) -> None:
        """Do nothing."""


async def do_nothing(payload: object) -> None:
    """Do nothing."""


def raise_error(error: BaseException, payload: object) -> NoReturn:
    raise error


def run_in_thread(function: Callable[..., object], *args: object) -> None:
    """Run a function in another thread, to its end; what it raises is raised."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    for error in errors:
        raise error


def test_callbacks_are_called_in_their_order() -> None:
    """Each callback is called with what happened, those that came first before those that came later."""
    subscribers: Subscribers[str] = Subscribers()
    calls: list[tuple[int, str]] = []
    for number in range(3):
        subscribers.add(lambda payload, number=number: calls.append((number, payload)))
    for payload in "ab":
        subscribers.notify(payload)
    assert [(0, "a"), (1, "a"), (2, "a"), (0, "b"), (1, "b"), (2, "b")] == calls


def test_one_callback_subscribed_twice() -> None:
    """A callback that is subscribed twice is called twice, and can be cancelled once."""
    subscribers: Subscribers[object] = Subscribers()
    recorder = Recorder()
    first, _ = subscribers.add(recorder.note), subscribers.add(recorder.note)
    subscribers.notify(1)
    first.cancel()
    subscribers.notify(2)
    assert [1, 1, 2] == recorder.calls


@pytest.mark.parametrize("payload", [None, 0, ""])
def test_falsy_payload(payload: object) -> None:
    """Anything can be told."""
    subscribers: Subscribers[object] = Subscribers()
    recorder = Recorder()
    subscribers.add(recorder.note)
    subscribers.notify(payload)
    assert [payload] == recorder.calls


def test_narrowed_payload() -> None:
    """A subscriber can be told something else, or nothing."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    subscribers.add(recorder.note, lambda payload: payload * 10 if payload % 2 else None)
    for payload in range(4):
        subscribers.notify(payload)
    assert [10, 30] == recorder.calls


@pytest.mark.parametrize("callback", [None, "name", 1])
def test_what_is_no_callback(callback: Any) -> None:
    """What cannot be called is refused."""
    with pytest.raises(TypeError, match="a callback is a function, not"):
        Subscribers().add(callback)


# ---- the end


def test_cancel() -> None:
    """After the end no call comes; ending again does nothing."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    subscription = subscribers.add(recorder.note)
    subscribers.notify(1)
    assert subscription.is_active
    for _ in range(2):
        subscription.cancel()
        assert not subscription.is_active
    subscribers.notify(2)
    assert ([1], []) == (recorder.calls, subscribers.members())


def test_context_manager() -> None:
    """A with block ends a subscription, also by an error."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    with suppress(ZeroDivisionError), subscribers.add(recorder.note) as subscription:
        subscribers.notify(1)
        raise ZeroDivisionError
    subscribers.notify(2)
    assert ([1], False) == (recorder.calls, subscription.is_active)


def test_dropping_a_subscription_does_not_end_it() -> None:
    """Who wants a callback for ever need not keep the subscription."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    subscribers.add(recorder.note)
    gc.collect()
    subscribers.notify(1)
    assert [1] == recorder.calls


def test_cancel_by_the_callback() -> None:
    """A callback can end its own subscription, and those of callbacks that are still to be called."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()

    def end_all(payload: int) -> None:
        recorder.note(payload)
        first.cancel()
        second.cancel()

    first, second = subscribers.add(end_all), subscribers.add(recorder.note)
    members = subscribers.members()
    for payload in (1, 2):
        for subscription in members:
            subscription._deliver(payload, None)
    assert [1] == recorder.calls


def test_cancel_during_a_call() -> None:
    """Ending does not wait for a call that goes on in another thread; that one ends, and no other begins."""
    subscribers: Subscribers[int] = Subscribers()
    begun, may_end, calls = threading.Event(), threading.Event(), Recorder()

    def wait(payload: int) -> None:
        calls.note(payload)
        begun.set()
        assert may_end.wait(DEADLINE_S)
        calls.note(-payload)

    subscription = subscribers.add(wait)
    thread = threading.Thread(target=subscribers.notify, args=(1,))
    thread.start()
    assert begun.wait(DEADLINE_S)
    # The other thread has the turn, so this is its next call.
    subscribers.notify(2)
    run_in_thread(subscription.cancel)
    may_end.set()
    thread.join(DEADLINE_S)
    assert [1, -1] == calls.calls


def test_cancel_while_the_payload_is_narrowed() -> None:
    """Cancelled in the last moment before a call, a callback is not called."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()

    def narrow(payload: int) -> int:
        run_in_thread(subscription.cancel)
        return payload

    subscription = subscribers.add(recorder.note, narrow)
    subscribers.notify(1)
    assert [] == recorder.calls


# ---- order


def test_call_that_causes_a_call() -> None:
    """What a callback causes is told after the call, not within it, however often that happens."""
    subscribers: Subscribers[int] = Subscribers()
    calls = Recorder()

    def count_down(payload: int) -> None:
        calls.note(payload)
        if payload:
            subscribers.notify(payload - 1)
        calls.note(-payload)

    subscribers.add(count_down)
    subscribers.notify(5000)
    assert [sign * payload for payload in range(5000, -1, -1) for sign in (1, -1)] == calls.calls


def test_many_threads() -> None:
    """Calls of one callback never overlap, and each thread's come in its order."""
    subscribers: Subscribers[tuple[int, int]] = Subscribers()
    calls: list[tuple[int, int]] = []
    inside: list[int] = []
    most_inside: set[int] = set()

    def note(payload: tuple[int, int]) -> None:
        inside.append(1)
        calls.append(payload)
        most_inside.add(len(inside))
        inside.pop()

    def notify(thread: int) -> None:
        for number in range(500):
            subscribers.notify((thread, number))

    subscribers.add(note)
    threads = [threading.Thread(target=notify, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert {1} == most_inside
    assert [list(range(500))] * 4 == [[number for of, number in calls if of == thread] for thread in range(4)]


def test_turn_is_free_in_a_forked_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that a thread holds when the process is forked is free in the child, where there is no such thread."""
    lock = TryLock()
    assert [True, False] == [lock.try_acquire(), lock.try_acquire()]
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert [True, False] == [lock.try_acquire(), lock.try_acquire()]
    lock.release()
    assert lock.try_acquire()
    monkeypatch.undo()
    assert not lock.try_acquire(), "the parent's"


# ---- what callbacks raise


@pytest.mark.parametrize("error", [ZeroDivisionError("my bug"), asyncio.CancelledError()], ids=repr)
def test_error_is_logged(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """What a callback raises is logged with the callback's name, and keeps no other from being called."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    subscribers.add(partial(raise_error, error))
    subscribers.add(recorder.note)
    subscribers.notify(1)
    subscribers.notify(2)
    assert [1, 2] == recorder.calls
    [record, _] = caplog.records
    assert ("heksher.subscription", logging.ERROR) == (record.name, record.levelno)
    assert f"the callback {__name__}.raise_error failed; updates go on" == record.getMessage()
    assert record.exc_info is not None
    assert error is record.exc_info[1]


def test_error_of_narrowing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that is done for one callback can disturb others."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    subscribers.add(recorder.note, lambda payload: payload // 0)
    subscribers.add(recorder.note)
    subscribers.notify(1)
    assert ([1], 1) == (recorder.calls, len(caplog.records))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_order_to_the_thread_gets_through(kind: type[BaseException]) -> None:
    """What signal handlers raise in the main thread is no error of the callback; later calls come all the same."""
    subscribers: Subscribers[int] = Subscribers()
    calls = Recorder()

    def raise_once(payload: int) -> None:
        calls.note(payload)
        if payload == 1:
            raise kind

    subscribers.add(raise_once)
    with pytest.raises(kind):
        subscribers.notify(1)
    subscribers.notify(2)
    assert [1, 2] == calls.calls


def test_exit_in_another_thread_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that wants to end the process from another thread would only end the thread, so it is logged."""
    subscribers: Subscribers[int] = Subscribers()
    subscribers.add(partial(raise_error, SystemExit(1)))
    run_in_thread(subscribers.notify, 1)
    assert ["ERROR"] == [record.levelname for record in caplog.records]


def test_names() -> None:
    """A subscription says whose it is, and whether it has ended."""
    subscribers: Subscribers[Any] = Subscribers()
    callbacks = [do_nothing, partial(do_nothing), AsyncCallable(), Recorder().note]
    names = ["do_nothing", "do_nothing", "AsyncCallable", "Recorder.note"]
    subscriptions = [subscribers.add(callback) for callback in callbacks]
    assert [f"<Subscription of {__name__}.{name}>" for name in names] == [*map(repr, subscriptions)]
    subscriptions[0].cancel()
    assert f"<Subscription of {__name__}.do_nothing, ended>" == repr(subscriptions[0])


# ---- lifetime


def test_weak_method() -> None:
    """A method that is held weakly is forgotten with its object, at once."""
    subscribers: Subscribers[object] = Subscribers()
    recorder = Recorder()
    calls = recorder.calls
    with without_collector():
        subscription = subscribers.add(recorder.note, weak=True)
        subscribers.notify(1)
        assert subscription.is_active
        del recorder
        assert (False, []) == (subscription.is_active, subscribers.members())
    subscribers.notify(2)
    assert [1] == calls


def test_weak_function() -> None:
    """A function that is held weakly is forgotten when nobody else holds it."""
    subscribers: Subscribers[object] = Subscribers()
    recorder = Recorder()

    def note(payload: object) -> None:
        recorder.note(payload)

    subscribers.add(note, weak=True)
    subscribers.notify(1)
    del note
    subscribers.notify(2)
    assert ([1], []) == (recorder.calls, subscribers.members())


def test_everything_dies_with_the_subscribers() -> None:
    """A subscription does not keep alive what it is about, nor is anything in a cycle."""
    with without_collector():
        for weak in (False, True):
            subscribers: Subscribers[object] = Subscribers()
            recorder = Recorder()
            subscription = subscribers.add(recorder.note, weak=weak)
            subscribers.notify(1)
            references = [weakref.ref(subscribers), weakref.ref(recorder), weakref.ref(subscription)]
            del subscribers
            assert (None, False) == (references[0](), subscription.is_active)
            subscription.cancel()
            del recorder, subscription
            assert [None, None, None] == [reference() for reference in references]


# ---- coroutine functions


class Tasks:
    """Runs coroutines as tasks."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def finish(self) -> None:
        """Wait for all tasks."""
        while pending := [task for task in self.tasks if not task.done()]:
            await asyncio.wait(pending, timeout=DEADLINE_S)


async def let_run() -> None:
    """Have all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_coroutine_functions_are_run_in_order() -> None:
    """The next call begins after the last one has ended; another callback does not wait for it."""

    async def run() -> None:
        subscribers: Subscribers[str] = Subscribers()
        tasks, may_end, calls = Tasks(), asyncio.Event(), Recorder()

        async def wait(payload: str) -> None:
            calls.note(f"{payload} begins")
            await may_end.wait()
            calls.note(f"{payload} ends")

        subscribers.add(wait)
        subscribers.add(calls.note)
        for payload in "ab":
            subscribers.notify(payload, tasks.spawn)
        assert ["a", "b"] == calls.calls
        await let_run()
        assert ["a", "b", "a begins"] == calls.calls
        may_end.set()
        await tasks.finish()
        assert ["a begins", "a ends", "b begins", "b ends"] == calls.calls[2:]
        subscribers.notify("c", tasks.spawn)
        await tasks.finish()
        assert ["c", "c begins", "c ends"] == calls.calls[6:]

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["function", "partial", "object", "mock", "lambda"])
def test_what_gives_a_coroutine_is_run(kind: str) -> None:
    """Whatever gives a coroutine when it is called is run."""

    async def run() -> None:
        subscribers: Subscribers[int] = Subscribers()
        tasks, mock = Tasks(), AsyncMock()

        async def forward(payload: object) -> None:
            await mock(payload)

        class Forward:
            async def __call__(self, payload: object) -> None:
                await mock(payload)

        callbacks: dict[str, Callable[[int], object]] = {
            "function": forward,
            "partial": partial(forward),
            "object": Forward(),
            "mock": mock,
            "lambda": lambda payload: forward(payload + 0),
        }
        subscribers.add(callbacks[kind])
        subscribers.notify(7, tasks.spawn)
        await tasks.finish()
        mock.assert_awaited_once_with(7)

    asyncio.run(run())


def test_coroutine_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """What a coroutine raises is logged, and the next call comes; a cancellation of its own is no other error."""

    async def run() -> None:
        subscribers: Subscribers[type[BaseException]] = Subscribers()
        tasks, calls = Tasks(), Recorder()

        async def fail(kind: type[BaseException]) -> None:
            calls.note(kind)
            raise kind

        subscribers.add(fail)
        kinds = [ZeroDivisionError, asyncio.CancelledError, ValueError]
        for kind in kinds:
            subscribers.notify(kind, tasks.spawn)
        await tasks.finish()
        assert kinds == calls.calls

    asyncio.run(run())
    assert ["ERROR"] * 3 == [record.levelname for record in caplog.records]


@pytest.mark.parametrize("has_begun", [False, True])
def test_task_that_is_cancelled(has_begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A task that is cancelled, even before its first step, leaves the subscription usable, on another loop too."""
    subscribers: Subscribers[str] = Subscribers()
    calls = Recorder()

    async def wait_on_a(payload: str) -> None:
        calls.note(payload)
        if payload == "a":
            await asyncio.Event().wait()

    async def run(payload: str, *, is_cancelled: bool) -> None:
        tasks = Tasks()
        subscribers.notify(payload, tasks.spawn)
        if has_begun:
            await let_run()
        if is_cancelled:
            tasks.tasks[0].cancel()
        await tasks.finish()
        assert is_cancelled == tasks.tasks[0].cancelled()

    subscribers.add(wait_on_a)
    asyncio.run(run("a", is_cancelled=True))
    asyncio.run(run("b", is_cancelled=False))
    assert (["a", "b"] if has_begun else ["b"], []) == (calls.calls, caplog.records)


def test_task_that_is_never_run() -> None:
    """A loop that ends before a task's first step leaves the subscription usable."""
    subscribers: Subscribers[str] = Subscribers()
    calls = Recorder()
    dropped: list[Coroutine[Any, Any, None]] = []

    async def note(payload: str) -> None:
        calls.note(payload)

    async def run() -> None:
        tasks = Tasks()
        subscribers.notify("b", tasks.spawn)
        await tasks.finish()

    subscribers.add(note)
    subscribers.notify("a", dropped.append)
    subscribers.notify("waits", dropped.append)
    dropped.clear()
    asyncio.run(run())
    assert ["waits", "b"] == calls.calls


def test_coroutine_cancelled_before_it_begins() -> None:
    """A subscription that ends before the task's first step has no call; nor do calls that wait for their turn."""

    async def run() -> None:
        subscribers: Subscribers[str] = Subscribers()
        tasks, calls = Tasks(), Recorder()

        async def note(payload: str) -> None:
            calls.note(payload)

        subscription = subscribers.add(note)
        for payload in "ab":
            subscribers.notify(payload, tasks.spawn)
        subscription.cancel()
        await tasks.finish()
        assert [] == calls.calls

    asyncio.run(run())


def test_coroutine_that_cannot_be_started(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be run is logged each time, as it may be possible later."""
    subscribers: Subscribers[int] = Subscribers()
    subscribers.add(do_nothing)
    for payload in (1, 2):
        subscribers.notify(payload, partial(raise_error, RuntimeError("no loop")))
    texts = [record.getMessage() for record in caplog.records]
    assert [f"the callback {__name__}.do_nothing could not be run"] * 2 == texts


def test_coroutine_where_there_is_no_loop(caplog: pytest.LogCaptureFixture) -> None:
    """A coroutine that nobody can run is an error that is logged once; other callbacks are called."""
    subscribers: Subscribers[int] = Subscribers()
    recorder = Recorder()
    subscribers.add(do_nothing)
    subscribers.add(recorder.note)
    for payload in (1, 2):
        subscribers.notify(payload)
    [record] = caplog.records
    text = "is never called: it returns a coroutine, which only an asynchronous client can run"
    assert f"the callback {__name__}.do_nothing {text}" == record.getMessage()
    assert [1, 2] == recorder.calls


@pytest.mark.parametrize("callback", [do_nothing, partial(do_nothing), AsyncCallable()])
def test_coroutine_function_is_refused(callback: Callable[[object], object]) -> None:
    """Where no coroutine can be run, a coroutine function is refused at once."""
    subscribers: Subscribers[object] = Subscribers(takes_coroutines=False)
    with pytest.raises(TypeError, match="is a coroutine function, which only an asynchronous client can run"):
        subscribers.add(callback)
    assert [] == subscribers.members()
