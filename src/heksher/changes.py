"""What is told of a setting whose answers have changed, and to whom.

A ``Change`` is what the setting answered before an update and what it answers after it. Whether there is a difference
is found out when it is delivered, and only for those who subscribed: to any context (see ``difference``), or to a
certain one, whose two values are compared. In a context that lacks a feature that is needed there is no value; going
from a value to none, or back, is not told.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from heksher.difference import is_same_value
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError, UnknownFeatureError
from heksher.subscription import Subscribers, Subscription

if TYPE_CHECKING:
    from heksher.setting import Setting

T = TypeVar("T")


class Change(Generic[T]):
    """What a setting answered before, and what it answers after. Immutable.

    Args:
        before: what it answered from.
        after: what it answers from.
        contexts: the context that the change is about; empty for any.

    Attributes:
        setting: the setting, which may have changed again meanwhile.
    """

    __slots__ = ("_after", "_before", "_contexts", "_is_difference", "setting")

    def __init__(
        self, setting: "Setting[T]", before: Evaluation[T], after: Evaluation[T], contexts: Mapping[str, str]
    ) -> None:
        self.setting: Setting[T] = setting
        self._before = before
        self._after = after
        self._contexts = contexts
        # None before somebody asks.
        self._is_difference: bool | None = None

    def before(self, /, **contexts: str) -> T:
        """Return the value before.

        Args:
            contexts: are completed with those that were subscribed to, then with the client's defaults at present.

        Raises:
            UnknownFeatureError: (a ``ValueError``) a keyword is no configurable feature of the setting.
            MissingContextError: (a ``RuntimeError``) a feature that is needed has neither a value nor a default.
        """
        return self._before.resolve({**self._contexts, **contexts})

    def after(self, /, **contexts: str) -> T:
        """Return the value after. Args and errors are those of ``before``."""
        return self._after.resolve({**self._contexts, **contexts})

    def narrow(self, contexts: Mapping[str, str] | None) -> "Change[T] | None":
        """Return the change as it shows in a context, or with ``None`` in any; ``None`` if it does not."""
        if contexts is None:
            if self._is_difference is None:
                self._is_difference = not self._before.answers_as(self._after)
            return self if self._is_difference else None
        narrowed = Change(self.setting, self._before, self._after, contexts)
        try:
            return None if is_same_value(narrowed.before(), narrowed.after()) else narrowed
        except MissingContextError:
            return None

    def extend(self, later: "Change[T]") -> "Change[T]":
        """Return the change that this one and a later one are together."""
        return Change(self.setting, self._before, later._after, self._contexts)

    def __repr__(self) -> str:
        if not self._contexts:
            return f"<Change of {self.setting.name}: {_describe(self._before)} -> {_describe(self._after)}>"
        context = ", ".join(f"{feature}={value}" for feature, value in self._contexts.items())
        values = f"{self._describe_value(self._before)} -> {self._describe_value(self._after)}"
        return f"<Change of {self.setting.name} for {context}: {values}>"

    def _describe_value(self, evaluation: Evaluation[T]) -> str:
        try:
            return repr(evaluation.resolve(self._contexts))
        except MissingContextError:
            # It had one when the change was narrowed; a ContextVar may have been reset.
            return "(no value)"


class Changes(AsyncIterator[Change[T]]):
    """The changes of a setting, for ``async for`` on asyncio; see ``Setting.changes``.

    Ends with ``aclose()``, when a task that waits for the next change is cancelled, or when it is dropped. Changes may
    be made by any thread; they are to be taken by one task at a time.
    """

    def __init__(self, setting: "Setting[T]", contexts: Mapping[str, str] | None) -> None:
        self._contexts = _check_contexts(setting, contexts)
        # All changes since the last one that was taken, as one; empty when there are none. A deque, as both sides need
        # but take and put it, which is atomic.
        self._pending: deque[Change[T]] = deque()
        # Who waits for a change; None when nobody does.
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        # Not in one go with the other subscriptions' comparisons: all changes, for whoever comes to take them. Weakly,
        # so that an iterator that is dropped is no longer told.
        self._setting = setting
        self._subscription: Subscription = _subscribers_of(setting).add(self._put, weak=True)

    def __aiter__(self) -> "Changes[T]":
        return self

    async def __anext__(self) -> Change[T]:
        if self._waiter is not None:
            raise RuntimeError("another task waits for the next change already")
        while self._subscription.is_active:
            waiter = asyncio.get_running_loop().create_future()
            # Before looking, so that no change falls in between.
            self._waiter = (waiter.get_loop(), waiter)
            try:
                change = self._take()
                if change is not None:
                    return change
                await waiter
            except BaseException:
                self._subscription.cancel()
                raise
            finally:
                self._waiter = None
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Take no further changes; a task that waits for one finds that there are no more."""
        self._subscription.cancel()
        self._wake()

    def _put(self, change: Change[T]) -> None:
        # By one thread at a time: a subscription's calls come one after the other.
        with suppress(IndexError):
            change = self._pending.pop().extend(change)
        self._pending.append(change)
        self._wake()

    def _take(self) -> Change[T] | None:
        with suppress(IndexError):
            return self._pending.pop().narrow(self._contexts)
        return None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            loop, future = waiter
            # A loop that is closed has nobody to wake.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_finish, future)


def subscribe(
    setting: "Setting[T]",
    callback: Callable[[Change[T]], object],
    contexts: Mapping[str, str] | None,
    *,
    weak: bool,
) -> Subscription:
    """Do what ``Setting.on_change`` says."""
    narrow = partial(_narrow, _check_contexts(setting, contexts))
    return _subscribers_of(setting).add(callback, narrow, weak=weak)


def restrict(contexts: Mapping[str, str] | None, setting: "Setting[T]") -> Mapping[str, str] | None:
    """Leave out of a context what a setting is not configurable by; ``None`` stays what it is."""
    if contexts is None:
        return None
    return {feature: contexts[feature] for feature in setting.configurable_features if feature in contexts}


def _narrow(contexts: Mapping[str, str] | None, change: Change[T]) -> Change[T] | None:
    return change.narrow(contexts)


def _subscribers_of(setting: "Setting[T]") -> Subscribers[Change[T]]:
    subscribers = setting.subscribers
    if subscribers is None:
        # Of two threads that subscribe first, one makes them.
        subscribers = vars(setting).setdefault("subscribers", Subscribers())
    return subscribers


def _check_contexts(setting: "Setting[T]", contexts: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if contexts is None:
        return None
    # The error is that of a read.
    if unknown := contexts.keys() - set(setting.configurable_features):
        raise UnknownFeatureError(
            f"setting {setting.name!r} is not configurable by {', '.join(sorted(unknown))};"
            f" its features are {', '.join(setting.configurable_features)}"
        )
    return dict(contexts)


def _describe(evaluation: Evaluation[T]) -> str:
    return f"{evaluation.default_value!r} and {len(evaluation.rules.rules)} rules"


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
