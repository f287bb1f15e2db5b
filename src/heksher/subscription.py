"""Subscriptions: calling functions of the program when something has happened.

Theory
------
A callback is foreign code. It may raise, block, subscribe, cancel, or cause the very event that it is called for. So
everything between two calls is done by operations that neither block nor can be interrupted halfway:

* Subscribers are the keys of a dictionary, whose single operations are atomic. Delivery iterates over a copy.
* What is to be delivered is appended to a queue. Then a thread that gets the ``TryLock`` empties it; one that does not
  get it leaves, because the holder looks at the queue again after releasing it. So calls come one after the other and
  in order, no thread waits for another, and calls that a callback causes are made after its own.

There is no lock, so nothing that a thread holds in the moment of a fork is missing in the child: see ``TryLock``.

A callback that is a coroutine function is run by a task, which holds the lock of its subscription until the end.
"""

import asyncio
import inspect
import logging
import os
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, Self, TypeAlias, TypeVar

logger: logging.Logger = logging.getLogger(__name__)

P = TypeVar("P")

# Runs a coroutine as a task, and keeps a reference to that; raises what it likes when it cannot.
Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], object]


class TryLock:
    """A lock that one thread at a time can hold, and that no thread waits for. In a forked child it is free."""

    def __init__(self) -> None:
        # By process: of several threads that set a default at once, one finds its own.
        self._holders: dict[int, object] = {}

    def try_acquire(self) -> bool:
        """Acquire the lock unless it is held; return whether it was acquired."""
        holder = object()
        return self._holders.setdefault(os.getpid(), holder) is holder

    def release(self) -> None:
        """Release the lock."""
        self._holders.pop(os.getpid(), None)


class Subscription:
    """A callback that is subscribed, until it is cancelled or what it is about is gone. Thread-safe.

    Used as a context manager, it is cancelled at the end of the block. Dropping the object does not cancel it.
    """

    def __init__(
        self,
        subscribers: "Subscribers[Any]",
        callback: Callable[[Any], object],
        narrow: Callable[[Any], Any] | None,
        is_weak: bool,
    ) -> None:
        # Weak, so that a setting that is dropped dies at once.
        self._subscribers = weakref.ref(subscribers)
        self._narrow = narrow
        self._name = name_callable(callback)
        # Returns the callback; None when it has been cancelled or collected.
        self._find_callback = _hold_weakly(callback, self) if is_weak else lambda: callback
        # What the callback is still to be called with. Only the holder of the lock takes from it.
        self._backlog: deque[Any] = deque()
        self._try_lock = TryLock()
        self._is_reported = False

    def cancel(self) -> None:
        """Prevent further calls. May be called more than once, by any thread, and by the callback itself.

        Does not wait: a call that another thread has begun, or a coroutine that runs, goes on to its end.
        """
        self._find_callback = _find_nothing
        subscribers = self._subscribers()
        if subscribers is not None:
            subscribers.remove(self)

    @property
    def is_active(self) -> bool:
        """Whether the callback is still called."""
        return self._find_callback() is not None and self._subscribers() is not None

    def _deliver(self, payload: object, spawn: Spawn | None) -> None:
        """Call the callback, after the calls that are already queued.

        Args:
            payload: what to call it with, before it is narrowed.
            spawn: runs the coroutine if the callback returns one; ``None`` when nothing can.
        """
        self._backlog.append(payload)
        self._advance(spawn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: types.TracebackType | None
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Subscription of {self._name}{'' if self.is_active else ', ended'}>"

    def _advance(self, spawn: Spawn | None) -> None:
        # Again after the release: a thread that appended meanwhile did not get the lock, and has left.
        while self._backlog and self._try_lock.try_acquire():
            coroutine = None
            try:
                coroutine = self._call_next()
            finally:
                if coroutine is None:
                    self._try_lock.release()
            if coroutine is not None:
                self._start(coroutine, spawn)

    def _call_next(self) -> Coroutine[Any, Any, Any] | None:
        """Call the callback until a call returns a coroutine, or nothing is left. The caller holds the lock."""
        while self._backlog:
            result = self._call(self._backlog.popleft())
            if isinstance(result, Coroutine):
                return result
        return None

    def _call(self, payload: object) -> object:
        try:
            if self._narrow is not None and (payload := self._narrow(payload)) is None:
                return None
            # As late as possible: it may have been cancelled meanwhile.
            callback = self._find_callback()
            return None if callback is None else callback(payload)
        except BaseException as error:
            if not _is_own(error):
                raise
            self._log_failure(error)
            return None

    def _log_failure(self, error: BaseException) -> None:
        logger.error("the callback %s failed; updates go on", self._name, exc_info=error)

    def _start(self, coroutine: Coroutine[Any, Any, Any], spawn: Spawn | None) -> None:
        if spawn is None:
            coroutine.close()
            self._try_lock.release()
            self._report_unable()
            return
        run = self._run(coroutine, spawn)
        # Into its try statement, before it is handed over: a task that is cancelled before its first step, or is never
        # run, would not release the lock.
        run.send(None)
        try:
            spawn(run)
        except Exception:
            run.close()
            logger.exception("the callback %s could not be run", self._name)

    async def _run(self, coroutine: Coroutine[Any, Any, Any] | None, spawn: Spawn) -> None:
        try:
            await _pause()
            if self._find_callback() is None:
                return
            while coroutine is not None:
                await self._await(coroutine)
                coroutine = self._call_next()
        finally:
            if coroutine is not None:
                coroutine.close()
            self._try_lock.release()
        self._advance(spawn)

    async def _await(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            await coroutine
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._log_failure(error)
        except Exception as error:  # noqa: BLE001 - it is logged
            self._log_failure(error)

    def _report_unable(self) -> None:
        if not self._is_reported:
            self._is_reported = True
            text = "the callback %s is never called: it returns a coroutine, which only an asynchronous client can run"
            logger.error(text, self._name)


class Subscribers(Generic[P]):
    """The subscriptions to one kind of event, whose callbacks are called with a ``P``. Thread-safe.

    Args:
        takes_coroutines: whether a callback may be a coroutine function.
    """

    def __init__(self, *, takes_coroutines: bool = True) -> None:
        self._takes_coroutines = takes_coroutines
        # In the order in which they came.
        self._subscriptions: dict[Subscription, None] = {}

    def add(
        self,
        callback: Callable[[P], object],
        narrow: Callable[[P], P | None] | None = None,
        *,
        weak: bool = False,
    ) -> Subscription:
        """Have a function called from now on.

        Args:
            callback: ``f(payload)``.
            narrow: returns what to call the callback with instead of the payload, or ``None`` to skip the call. Without
                it, the payload is passed as it is.
            weak: whether to hold the callback, or the object whose method it is, weakly.

        Raises:
            TypeError: the callback cannot be called, or is a coroutine function where none can be run.
        """
        if not callable(callback):
            raise TypeError(f"a callback is a function, not {callback!r}")
        if not self._takes_coroutines and is_coroutine_function(callback):
            name = name_callable(callback)
            raise TypeError(f"{name} is a coroutine function, which only an asynchronous client can run")
        subscription = Subscription(self, callback, narrow, weak)
        self._subscriptions[subscription] = None
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription; do nothing if it is forgotten already."""
        self._subscriptions.pop(subscription, None)

    def members(self) -> list[Subscription]:
        """List the subscriptions of this moment, in the order in which they came."""
        # Not a tuple: to make one, the garbage collector may be run in the midst of it, which may forget some.
        return list(self._subscriptions)

    def notify(self, payload: P, spawn: Spawn | None = None) -> None:
        """Call all callbacks, one after the other; as a subscription does."""
        for subscription in self.members():
            subscription._deliver(payload, spawn)


@types.coroutine
def _pause() -> Generator[None, None, None]:
    yield


def _is_own(error: BaseException) -> bool:
    """Return whether what a callback raised is its own, and not something that was raised in it from outside."""
    if isinstance(error, SystemExit):
        # That of a signal handler, which runs in the main thread only, must get through. In any other thread it would
        # but end the thread.
        return threading.current_thread() is not threading.main_thread()
    # Everything else that is no Exception is an order to the thread: KeyboardInterrupt, GreenletExit.
    return isinstance(error, Exception | asyncio.CancelledError)


def _find_nothing() -> None:
    return None


def _hold_weakly(
    callback: Callable[[Any], object], subscription: Subscription
) -> Callable[[], Callable[[Any], object] | None]:
    # Not the subscription itself: it holds the reference that is made here, and would be in a cycle.
    find_subscription = weakref.ref(subscription)

    def forget(_: object) -> None:
        subscription = find_subscription()
        if subscription is not None:
            subscription.cancel()

    return weakref.WeakMethod(callback, forget) if inspect.ismethod(callback) else weakref.ref(callback, forget)


def is_coroutine_function(callback: Callable[..., object]) -> bool:
    """Return whether what calling something returns is to be awaited, as far as that shows before."""
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(type(callback).__call__)


def name_callable(callback: Callable[..., object]) -> str:
    """Name a function, or what is called like one, for messages."""
    function = callback.func if isinstance(callback, partial) else callback
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
