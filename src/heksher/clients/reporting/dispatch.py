"""Delivery of changes to the program: after an update, with no lock held, in order, one call after the other.

A client posts each change when it makes it, under its locks: a call for each subscriber of that moment is put into a
queue. When all locks are released it drains the queue, unless another thread is doing that already. So calls keep their
order, and an update that a callback causes is reported after the call, not within it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from heksher.change_base import narrow_change, restrict
from heksher.evaluation import CompiledEvaluation, Evaluation
from heksher.setting import Change, Setting
from heksher.subscription import Spawn, Subscribers, Subscription, TryLock

P = TypeVar("P")
T = TypeVar("T")


class Dispatcher:
    """What one client tells its program. Thread-safe; in a forked child it goes on with what the parent had not told.

    Args:
        spawn: runs a coroutine as a task of the client, and keeps a reference to that; ``None`` when the client cannot
            run any. Callbacks cannot be coroutine functions then.

    Attributes:
        subscribers: the subscribers to the changes of all settings.
    """

    def __init__(self, spawn: Spawn | None = None) -> None:
        self._spawn = spawn
        self.subscribers: Subscribers[Change[Any]] = self.make_subscribers()
        # Calls to be made. One stays until it has been made: a child that is forked meanwhile makes it again rather
        # than never.
        self._queue: deque[tuple[Subscription, object]] = deque()
        self._try_lock = TryLock()

    def make_subscribers(self) -> Subscribers[Any]:
        """Make the subscribers to a further kind of event, for ``post_call``."""
        return Subscribers(takes_coroutines=self._spawn is not None)

    def on_change(
        self,
        callback: Callable[[Change[Any]], object],
        contexts: Mapping[str, str] | None = None,
        *,
        weak: bool = False,
    ) -> Subscription:
        """Do what ``Observed.on_change`` says."""
        given = None if contexts is None else dict(contexts)

        def narrow(change: Change[Any]) -> Change[Any] | None:
            return narrow_change(restrict(given, change.setting), change)

        return self.subscribers.add(callback, narrow, weak=weak)

    def switch(self, setting: Setting[T], compiled: CompiledEvaluation[T]) -> None:
        """Have a setting answer from another evaluation from now on, and post that. Does not call anything."""
        before = setting._evaluation
        setting._switch_to(compiled)
        self.post(setting, before, setting._evaluation)

    def post(self, setting: Setting[T], before: Evaluation[T], after: Evaluation[T]) -> None:
        """Note that a setting answers from another evaluation. Does not compare or call anything.

        Calls for one setting must come in the order of its changes, so under the lock that these are made under.
        """
        subscriptions = [] if setting._subscribers is None else setting._subscribers.members()
        subscriptions += self.subscribers.members()
        if subscriptions and before is not after:
            change = Change(setting=setting, before=before, after=after)
            self._queue.extend([(subscription, change) for subscription in subscriptions])

    def post_call(self, subscribers: Subscribers[P], payload: P) -> None:
        """Note that callbacks are to be called with a payload, after what was posted before."""
        self._queue.extend([(subscription, payload) for subscription in subscribers.members()])

    def drain(self) -> None:
        """Make the calls that are noted. To be called without any lock, after each time that something was posted.

        If another thread is at it already, or a callback calls this, that one makes them.
        """
        # Again after the release: a thread that posted meanwhile did not get the lock, and has left.
        while self._queue and self._try_lock.try_acquire():
            try:
                self._make_calls()
            finally:
                self._try_lock.release()

    def _make_calls(self) -> None:
        while self._queue:
            subscription, payload = self._queue[0]
            try:
                subscription._deliver(payload, self._spawn)
            finally:
                self._queue.popleft()
