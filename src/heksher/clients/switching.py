"""Changing what many settings answer at once.

Theory
------
An update, and a change of the client's contexts, give each setting another evaluation, one after the other. A lock has
them take turns, and keeps snapshots from seeing a part. It keeps other threads out, but not the handler of a signal,
which runs in the thread that it interrupts, anywhere within these changes. So the lock can be taken again by its
holder, and a change does not rely on being alone: snapshots taken within it see what was before, and what a handler has
set meanwhile is applied at the end.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from heksher.clients.conversation.session import Session
from heksher.clients.held_lock import is_held_here
from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.setting import Setting


class Switching:
    """The changes of one client's settings in one process. Thread-safe.

    Args:
        context: the client's features, defaults and tracked values.
        session: has the settings.

    Attributes:
        lock: guards that changes take turns. Never held while waiting for the service.
    """

    def __init__(self, context: ClientContext, session: Session) -> None:
        self.lock: threading.RLock = threading.RLock()
        self._context = context
        self._session = session
        # What settings answered before the change that is being made; None while none is.
        self._before: dict[Setting[Any], Evaluation[Any]] | None = None

    @contextmanager
    def change(self) -> Iterator[None]:
        """Change what settings answer."""
        with self.lock:
            state = self._context.state
            self._before = self._list()
            try:
                yield
            finally:
                self._before = None
            if self._context.state != state:
                self.recompile()

    def recompile(self) -> None:
        """Have all settings follow defaults and tracked values. The caller holds the lock."""
        state = None
        while state != self._context.state:
            state = self._context.state
            self._session.recompile()

    def look(self) -> dict[Setting[Any], Evaluation[Any]]:
        """Return what all settings answer: each as the same change left it."""
        with self.lock:
            return self._list() if self._before is None else self._before

    def is_interrupted_here(self) -> bool:
        """Return whether this thread was interrupted, by a signal, while it holds the lock, which updates wait for."""
        return is_held_here(self.lock)

    def _list(self) -> dict[Setting[Any], Evaluation[Any]]:
        return {setting: setting._evaluation for setting in self._session.settings()}
