"""The picture that this process answers from, and how it follows the change log."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from heksher.server.catalog.advance import Step, advance
from heksher.server.catalog.cache import AnswerCache
from heksher.server.catalog.effect import EVERYWHERE, Effect, find_effects, shows_any
from heksher.server.catalog.picture import Picture, take_picture
from heksher.server.catalog.query import CatalogQuery
from heksher.server.storage.base import LogEntry, Reader, Storage
from heksher.server.storage.storage_errors import StorageUnavailableError

logger: logging.Logger = logging.getLogger(__name__)

# For how many revisions back the catalog knows the effects of changes, for clients that reconnect.
_MAX_STEPS: Final = 1000
# When the catalog is further behind than this, in entries or in changes, it reloads, which is cheaper then.
_MAX_ENTRIES: Final = 5000
_MAX_CHANGES: Final = 20_000
# How many entries are read at once.
_BATCH_ENTRIES: Final = 500
# Of past entries, at most this many changes are examined; an entry with more counts as affecting every query.
_MAX_CHANGES_OF_STEP: Final = 100


class CatalogState(NamedTuple):
    """What the catalog holds at one revision. Each state is replaced as a whole.

    Attributes:
        cache: answers from this very picture.
        steps: the last revisions up to the picture's, without gaps.
        era: how often the database was restored; revisions of different eras are unrelated.
        newest: the log entry of the picture's revision; ``None`` for an empty log.
    """

    picture: Picture
    cache: AnswerCache
    steps: tuple[Step, ...]
    era: int = 0
    newest: LogEntry | None = None

    @property
    def position(self) -> tuple[int, int]:
        """Return the era and the revision, a pair that only ever grows."""
        return self.era, self.picture.revision

    def has_changed(self, query: CatalogQuery, since_revision: int) -> bool:
        """Return whether the answer to a query may have changed since a revision."""
        age = self.picture.revision - since_revision
        if age == 0:
            return False
        # A revision in the future is another process's, or from before a backup was restored.
        if not 0 < age <= len(self.steps):
            return True
        return shows_any((effect for step in self.steps[-age:] for effect in step.effects), query)


# Called with the published state and the steps to it.
Subscriber = Callable[[CatalogState, Sequence[Step]], object]


class Catalog:
    """Holds the current state and brings it up to date. Thread-safe; reading ``state`` needs no lock.

    Args:
        storage: the open storage whose change log the catalog follows.
        max_cache_bytes: bound for the cached answers.

    Attributes:
        state: ``None`` until loaded.
        checked_at_s: when the catalog was last known to be as new as the database, by ``time.monotonic()``; ``None``
            before.
    """

    def __init__(self, storage: Storage, max_cache_bytes: int) -> None:
        self._storage = storage
        self._max_cache_bytes = max_cache_bytes
        # Held while the state is replaced, so that it never goes back.
        self._lock = threading.Lock()
        # Why and when (by ``time.monotonic()``) the last look at the database failed; None if it did not fail.
        self._failure: tuple[float, str] | None = None
        self._subscribers: list[Subscriber] = []
        self.state: CatalogState | None = None
        self.checked_at_s: float | None = None

    def subscribe(self, listener: Subscriber) -> None:
        """Register a function to call after each change of the state, in the thread that made the change."""
        self._subscribers.append(listener)

    def load(self) -> CatalogState:
        """Return the state, loading it on the first call. Once it is loaded, no call waits.

        Raises:
            StorageUnavailableError: the database cannot be reached.
        """
        return self.state or self.refresh(0)

    def refresh(self, at_least: int | None = None) -> CatalogState:
        """Bring the state up to the newest revision, or leave it if it has the revision that is enough.

        Of concurrent callers, one looks at the database, and all of them use its result.

        Args:
            at_least: the revision that is enough; ``None`` for the newest one.

        Raises:
            StorageUnavailableError: the database cannot be reached.
        """
        asked_s = time.monotonic()
        with self._lock:
            state = self.state
            if state is not None and self._is_new_enough(state, at_least, asked_s):
                return state
            # The look failed while this caller waited. If each caller in turn tried again, all threads would be busy.
            if self._failure is not None and self._failure[0] > asked_s:
                raise StorageUnavailableError(self._failure[1])
            try:
                return self._publish(self._load(), ()) if state is None else self._follow(state)
            except StorageUnavailableError as error:
                self._failure = time.monotonic(), str(error)
                raise

    def take(self, entry: LogEntry, previous_stamp: str | None) -> bool:
        """Bring the state up to an entry that was just stored, without reading it, if it is the next one.

        Args:
            entry: the whole entry.
            previous_stamp: the stamp of the entry before it; ``None`` if there is none. It has to be that of the
                state's newest entry: another one with the same number is of another history.

        Returns:
            Whether the entry is the next one; if it is not, only a look at the database helps.

        Raises:
            StorageUnavailableError: everything has to be loaded anew, and the database cannot be reached.
        """
        with self._lock:
            state = self.state
            if state is None or entry.revision != state.picture.revision + 1:
                return False
            if previous_stamp != (None if state.newest is None else state.newest.stamp):
                return False
            self._advance(state, entry.revision, [entry] if state.newest is None else [state.newest, entry])
            return True

    def _is_new_enough(self, state: CatalogState, at_least: int | None, asked_s: float) -> bool:
        if at_least is not None and state.picture.revision >= at_least:
            return True
        return self.checked_at_s is not None and self.checked_at_s > asked_s

    def _load(self, era: int = 0) -> CatalogState:
        now_s = time.monotonic()
        picture, entries = self._storage.read(_take_picture_and_log)
        self.checked_at_s = now_s
        steps = tuple(Step(entry.revision, _find_effects(entry, picture)) for entry in entries)
        newest = entries[-1] if entries else None
        return CatalogState(picture, AnswerCache(self._max_cache_bytes), steps, era, newest)

    def _follow(self, state: CatalogState) -> CatalogState:
        now_s = time.monotonic()
        revision, entries = self._storage.read(lambda reader: _read_news(reader, state.picture.revision))
        if revision != state.picture.revision:
            state = self._advance(state, revision, entries)
        self.checked_at_s = now_s
        return state

    def _advance(self, state: CatalogState, revision: int, entries: Sequence[LogEntry]) -> CatalogState:
        if revision < state.picture.revision:
            logger.error(
                "the database has gone back from revision %d to %d: was it restored? Everything is loaded anew",
                state.picture.revision,
                revision,
            )
            return self._reload(state.era + 1)
        if state.newest is not None and entries:
            known, *entries = entries
            # The stamp distinguishes it from another entry with the same number.
            if known.stamp != state.newest.stamp:
                logger.error("change %d is another one now: was the database restored?", state.picture.revision)
                return self._reload(state.era + 1)
        if len(entries) < revision - state.picture.revision:
            logger.info("%d changes behind: everything is loaded anew", revision - state.picture.revision)
            return self._reload(state.era)
        try:
            picture, steps = advance(state.picture, entries)
        except (LookupError, TypeError, ValueError):
            logger.exception("the change log does not fit what is in memory: everything is loaded anew")
            return self._reload(state.era)
        effects = [effect for step in steps for effect in step.effects]
        recent = deque((*state.steps, *steps), maxlen=_MAX_STEPS)
        cache = state.cache.carry_over(effects)
        return self._publish(CatalogState(picture, cache, tuple(recent), state.era, entries[-1]), steps)

    def _reload(self, era: int) -> CatalogState:
        state = self._load(era)
        return self._publish(state, [Step(state.picture.revision, (EVERYWHERE,))])

    def _publish(self, state: CatalogState, steps: Sequence[Step]) -> CatalogState:
        self.state = state
        for listener in self._subscribers:
            listener(state, steps)
        return state


def _take_picture_and_log(reader: Reader) -> tuple[Picture, list[LogEntry]]:
    picture = take_picture(reader)
    return picture, reader.log(picture.revision - _MAX_STEPS, _MAX_STEPS, _MAX_CHANGES_OF_STEP)


def _find_effects(entry: LogEntry, picture: Picture) -> tuple[Effect, ...]:
    try:
        return find_effects(entry.changes, picture) if entry.is_whole else (EVERYWHERE,)
    except (LookupError, TypeError, ValueError):
        # Written by another version of the service; the picture is right nevertheless, as it comes from the tables.
        return (EVERYWHERE,)


def _read_news(reader: Reader, known_revision: int) -> tuple[int, list[LogEntry]]:
    """Return the newest revision and the entries from the known one on, or fewer if reloading is cheaper."""
    revision = reader.revision()
    entries: list[LogEntry] = []
    changes = 0
    if 0 < revision - known_revision <= _MAX_ENTRIES:
        after = known_revision - 1
        while after < revision and changes <= _MAX_CHANGES:
            some = reader.log(after, _BATCH_ENTRIES, _MAX_CHANGES)
            if not some or not all(entry.is_whole or entry.revision == known_revision for entry in some):
                break
            entries += some
            changes += sum(len(entry.changes) for entry in some if entry.revision != known_revision)
            after = some[-1].revision
    return revision, entries
