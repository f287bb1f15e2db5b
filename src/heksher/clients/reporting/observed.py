"""How a program subscribes to changes: the same for clients and for their stubs."""

from collections.abc import Callable, Mapping
from typing import Any

from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.reporting.status import ClientStatus
from heksher.process_bound import ProcessBound
from heksher.setting import Change
from heksher.subscription import Subscribers, Subscription


class Observed(ProcessBound):
    """The part of a client that programs subscribe to. Thread-safe.

    Args:
        dispatcher: calls the subscribers.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher: Dispatcher = dispatcher
        self._status_subscribers: Subscribers[ClientStatus] = dispatcher.make_subscribers()

    def on_change(
        self,
        callback: Callable[[Change[Any]], object],
        contexts: Mapping[str, str] | None = None,
        *,
        weak: bool = False,
    ) -> Subscription:
        """Have a function called after the answers of any setting of the client have changed.

        As ``Setting.on_change``, but for features of ``contexts`` that a setting is not configurable by: for that
        setting they do not count.
        """
        return self._dispatcher.on_change(callback, contexts, weak=weak)

    def on_status_change(self, callback: Callable[[ClientStatus], object], /, *, weak: bool = False) -> Subscription:
        """Have a function called whenever ``status.state`` has changed, which that of a stub never does.

        Args:
            callback: ``f(status)``. What it raises is logged, and has no other effect.
            weak: whether to hold the function weakly.

        Returns:
            What cancels it.
        """
        return self._status_subscribers.add(callback, weak=weak)
