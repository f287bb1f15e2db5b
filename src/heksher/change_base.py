"""Changes of a setting: what they are, and how programs subscribe to them.

A change is what the setting answered before an update and what it answers after it. Whether there is a difference
is found out when it is delivered, and only for those who subscribed: to any context (see ``difference``), or to a
certain one, whose two values are compared. In a context that lacks a feature that is needed there is no value; going
from a value to none, or back, is not reported.

Settings tell of their changes, and a change names its setting. So that neither module needs the other, the class of the
setting is a parameter here, which ``setting`` fills in: ``Change``, ``Changes``.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

from heksher.difference import is_same_value
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError, UnknownFeatureError
from heksher.record import to_json
from heksher.rule_set import NO_RULE
from heksher.setting_base import SettingBase
from heksher.subscription import Subscribers, Subscription
from heksher.value_type import JSON

T_co = TypeVar("T_co", covariant=True)
SettingT_co = TypeVar("SettingT_co", bound=SettingBase[Any], covariant=True)
ChangeT = TypeVar("ChangeT", bound="BaseChange[Any, Any]")


class BaseChange(Generic[SettingT_co, T_co]):
    """A change of a setting of some class; see ``heksher.Change``.

    Args:
        setting: whose change it is.
        before: what it answered from.
        after: what it answers from.
        contexts: the context that the change is about; ``None`` for any.
    """

    __slots__ = ("_after", "_before", "_contexts", "_is_difference", "_setting")

    def __init__(
        self,
        *,
        setting: SettingT_co,
        before: Evaluation[T_co],
        after: Evaluation[T_co],
        contexts: Mapping[str, str] | None = None,
    ) -> None:
        self._setting = setting
        # The subscription goes on using the dictionary.
        self._contexts = None if contexts is None else MappingProxyType(contexts)
        self._before = before
        self._after = after
        # None until it is needed.
        self._is_difference: bool | None = None

    @property
    def setting(self) -> SettingT_co:
        """The setting, which may have changed again meanwhile."""
        return self._setting

    @property
    def contexts(self) -> Mapping[str, str] | None:
        """The context that was subscribed to, and that the change is about; ``None`` for any."""
        return self._contexts

    def before(self, /, **contexts: str | None) -> T_co:
        """Return the value before.

        Args:
            contexts: are completed with those that were subscribed to, then with the client's defaults at present.

        Raises:
            UnknownFeatureError: (a ``ValueError``) a keyword is no configurable feature of the setting.
            MissingContextError: (a ``RuntimeError``) a feature that is needed has neither a value nor a default.
        """
        return self._before.resolve({**(self.contexts or {}), **contexts})

    def after(self, /, **contexts: str | None) -> T_co:
        """Return the value after. Args and errors are those of ``before``."""
        return self._after.resolve({**(self.contexts or {}), **contexts})

    def as_dict(self) -> dict[str, JSON]:
        """Return the change in a form that ``json.dumps`` takes.

        Returns:
            ``setting``, its name, and ``contexts``; ``before`` and ``after``, the two values, only if the change is
            about one context. A value that is not known there any more, as a ``ContextVar`` was reset, is ``None``.
        """
        form: dict[str, JSON] = {"setting": self.setting.name, "contexts": to_json(self.contexts)}
        if self.contexts is None:
            return form
        values = (self._find_value(evaluation) for evaluation in (self._before, self._after))
        return form | {
            name: None if value is NO_RULE else to_json(value)
            for name, value in zip(("before", "after"), values, strict=True)
        }

    def _narrow(self, contexts: Mapping[str, str] | None) -> Self | None:
        """Return the change as it shows in a context, or with ``None`` in any; ``None`` if it does not."""
        if contexts is None:
            if self._is_difference is None:
                self._is_difference = not self._before.answers_as(self._after)
            return self if self._is_difference else None
        narrowed = type(self)(setting=self.setting, before=self._before, after=self._after, contexts=contexts)
        try:
            return None if is_same_value(narrowed.before(), narrowed.after()) else narrowed
        except MissingContextError:
            return None

    def _extend(self, later: Self) -> Self:
        """Return the change that this one and a later one are together."""
        return type(self)(setting=self.setting, before=self._before, after=later._after, contexts=self.contexts)

    def __repr__(self) -> str:
        if self.contexts is None:
            return f"<Change of {self.setting.name}: {_describe(self._before)} -> {_describe(self._after)}>"
        context = ", ".join(f"{feature}={value}" for feature, value in self.contexts.items()) or "the empty context"
        values = f"{self._describe_value(self._before)} -> {self._describe_value(self._after)}"
        return f"<Change of {self.setting.name} for {context}: {values}>"

    def _describe_value(self, evaluation: Evaluation[Any]) -> str:
        value = self._find_value(evaluation)
        return "(no value)" if value is NO_RULE else repr(value)

    def _find_value(self, evaluation: Evaluation[Any]) -> Any:
        """Return a value in the change's context; ``NO_RULE`` where a feature that is needed has none any more."""
        try:
            return evaluation.resolve(self.contexts or {})
        except MissingContextError:
            # It had one when the change was narrowed; a ContextVar may have been reset.
            return NO_RULE


class ChangeIterator(AsyncIterator[ChangeT]):
    """What ``heksher.changes.Changes`` is, for changes of some class."""

    def __init__(self, setting: SettingBase[Any], contexts: Mapping[str, str] | None) -> None:
        self._contexts = _check_contexts(setting, contexts)
        # All changes since the last one that was taken, as one; empty when there are none. A deque, as both sides need
        # but take and put it, which is atomic.
        self._pending: deque[ChangeT] = deque()
        # The loop and future of the task that waits for a change; None when no task does.
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        # Without narrowing: changes are compared when they are taken. Weakly, so that an iterator that is dropped
        # receives nothing more.
        self._setting = setting
        self._subscription: Subscription = _subscribers_of(setting).add(self._put, weak=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChangeT:
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
        """End the iteration, also for a task that waits for the next change."""
        self._subscription.cancel()
        self._wake()

    def _put(self, change: ChangeT) -> None:
        # By one thread at a time: a subscription's calls come one after the other.
        with suppress(IndexError):
            change = self._pending.pop()._extend(change)
        self._pending.append(change)
        self._wake()

    def _take(self) -> ChangeT | None:
        with suppress(IndexError):
            return self._pending.pop()._narrow(self._contexts)
        return None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            loop, future = waiter
            # In a loop that is closed, no task waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_finish, future)


def subscribe(
    setting: SettingBase[Any],
    callback: Callable[[ChangeT], object],
    contexts: Mapping[str, str] | None,
    *,
    weak: bool,
) -> Subscription:
    """Do what ``Setting.on_change`` says."""
    narrow: Callable[[ChangeT], ChangeT | None] = partial(narrow_change, _check_contexts(setting, contexts))
    return _subscribers_of(setting).add(callback, narrow, weak=weak)


def restrict(contexts: Mapping[str, str] | None, setting: SettingBase[Any]) -> Mapping[str, str] | None:
    """Leave out of a context what a setting is not configurable by; ``None`` stays what it is."""
    if contexts is None:
        return None
    return {feature: contexts[feature] for feature in setting.configurable_features if feature in contexts}


def narrow_change(contexts: Mapping[str, str] | None, change: ChangeT) -> ChangeT | None:
    """Return a change as it shows in a context, or with ``None`` in any; ``None`` if it does not."""
    return change._narrow(contexts)


def _subscribers_of(setting: SettingBase[Any]) -> Subscribers[Any]:
    subscribers = setting._subscribers
    if subscribers is None:
        # Of two threads that subscribe first, one makes them.
        subscribers = vars(setting).setdefault("_subscribers", Subscribers())
    return subscribers


def _check_contexts(setting: SettingBase[Any], contexts: Mapping[str, str] | None) -> Mapping[str, str] | None:
    if contexts is None:
        return None
    # The error is that of a read.
    if unknown := contexts.keys() - set(setting.configurable_features):
        raise UnknownFeatureError(
            f"setting {setting.name!r} is not configurable by {', '.join(sorted(unknown))};"
            f" its features are {', '.join(setting.configurable_features)}"
        )
    return dict(contexts)


def _describe(evaluation: Evaluation[Any]) -> str:
    return f"{evaluation.default_value!r} and {len(evaluation.rules.rules)} rules"


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
