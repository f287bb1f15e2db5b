"""The picture that this process answers from, and how it follows the change log."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from heksher.revision_id import RevisionId
from heksher.server.catalog.access_picture import AccessPicture
from heksher.server.catalog.advance import Step, advance
from heksher.server.catalog.answer import HeaderField
from heksher.server.catalog.cache import AnswerCache
from heksher.server.catalog.effect import EVERYWHERE, Effect, find_effects, shows_any
from heksher.server.catalog.history import News, changes_access, find_last_common, read_news
from heksher.server.catalog.picture import Picture, take_picture
from heksher.server.catalog.query import CatalogQuery
from heksher.server.storage.base import LogEntry, Reader, Storage
from heksher.server.storage.storage_errors import StorageError
from heksher.wire import REVISION_HEADER, REVISION_ID_HEADER

logger: logging.Logger = logging.getLogger(__name__)

# For how many revisions back the catalog knows the effects of changes, for clients that reconnect.
_MAX_STEPS: Final = 1000
# Of past entries, at most this many changes are examined; an entry with more counts as affecting every query.
_MAX_CHANGES_OF_STEP: Final = 100


# Caches may keep answers, if they ask each time whether these still hold; only those of one client, where it needs a
# credential: others know of Authorization, but not of every other header that may have it.
SHARED: Final = b"no-cache"
PRIVATE: Final = b"private, no-cache"


@dataclass(frozen=True, slots=True)
class CatalogState:
    """What the catalog holds at one revision. Each state is replaced as a whole.

    Attributes:
        cache: answers from this very picture.
        steps: the last revisions up to the picture's, without gaps.
        era: how often the history of the database was found to be another, or may have become another one without this
            process noticing; revisions of different eras may be unrelated.
        cache_control: what caches may do with answers: the value of the header field of this name.
        headers: the header fields that tell this and the revision, made once for all answers.
        own_ids: what a demand can say that means exactly this revision.
    """

    picture: Picture
    cache: AnswerCache
    steps: tuple[Step, ...]
    era: int = 0
    cache_control: bytes = SHARED
    headers: tuple[HeaderField, ...] = field(init=False, repr=False, compare=False)
    own_ids: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        number, whole = str(self.picture.revision).encode(), str(self.picture.revision_id).encode()
        headers: tuple[HeaderField, ...] = (
            (b"cache-control", self.cache_control),
            (REVISION_HEADER.lower().encode(), number),
        )
        if whole != number:
            headers = (*headers, (REVISION_ID_HEADER.lower().encode(), whole))
        object.__setattr__(self, "headers", headers)
        object.__setattr__(self, "own_ids", (whole, number))

    @property
    def position(self) -> tuple[int, RevisionId]:
        """Return the era and the revision, a pair that only ever grows."""
        return self.era, self.picture.revision_id

    def has(self, revision: RevisionId) -> bool:
        """Return whether this has a change: it is not newer, and of no other history, as far as that is known."""
        age = self.picture.revision - revision.number
        return age >= 0 and revision.may_be(self._find_id(revision.number))

    def has_changed(self, query: CatalogQuery, since: RevisionId) -> bool:
        """Return whether the answer to a query may have changed since a revision."""
        age = self.picture.revision - since.number
        # A change that is not here is another process's, or was lost; of one that is too old, nobody knows.
        if not 0 <= age <= len(self.steps) - bool(since.stamp) or not self.has(since):
            return True
        return shows_any((effect for step in self.steps[len(self.steps) - age :] for effect in step.effects), query)

    def _find_id(self, number: int) -> RevisionId:
        """Return a revision with its stamp, if that is still known."""
        age = self.picture.revision - number
        return RevisionId(number, self.steps[-1 - age].stamp if age < len(self.steps) else "")


# Called with the published state and the steps to it.
Subscriber = Callable[[CatalogState, Sequence[Step]], object]


class Catalog:
    """Holds the current state and brings it up to date. Thread-safe; reading ``state`` needs no lock.

    Args:
        storage: the open storage whose change log the catalog follows.
        max_cache_bytes: bound for the cached answers.
        cache_control: what other caches may do with answers.

    Attributes:
        state: ``None`` until loaded.
        checked_at_s: when the catalog was last known to be as new as the database, by ``time.monotonic()``; ``None``
            before.
        losses: how often the database was found with another history.
        history_lost_at: when that was last, in UTC; ``None`` if it never was.
    """

    def __init__(self, storage: Storage, max_cache_bytes: int, cache_control: bytes = SHARED) -> None:
        self._storage = storage
        self._cache_control = cache_control
        self._max_cache_bytes = max_cache_bytes
        # Held while the state is replaced, so that it never goes back.
        self._lock = threading.Lock()
        # When (by ``time.monotonic()``) and how the last look at the database failed; None if it did not fail.
        self._failure: tuple[float, StorageError] | None = None
        self._subscribers: list[Subscriber] = []
        self.state: CatalogState | None = None
        self.checked_at_s: float | None = None
        self.losses: int = 0
        self.history_lost_at: datetime | None = None

    def subscribe(self, listener: Subscriber) -> None:
        """Register a function to call after each change of the state, in the thread that made the change."""
        self._subscribers.append(listener)

    def load(self) -> CatalogState:
        """Return the state, loading it on the first call. Once it is loaded, no call waits.

        Raises:
            StorageUnavailableError: the database cannot be reached.
        """
        return self.state or self.refresh(RevisionId(0))

    def refresh(self, at_least: RevisionId | None = None) -> CatalogState:
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
                raise copy(self._failure[1])
            begun_s = time.monotonic()
            try:
                state = self._publish(self._load(), ()) if state is None else self._follow(state)
            except StorageError as error:
                self._failure = time.monotonic(), copy(error)
                raise
            # Not before the state is there: what was written earlier is in the state that is read after this time.
            self.checked_at_s = begun_s
            return state

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
            if state is None or (entry.revision - 1, previous_stamp or "") != state.picture.revision_id:
                return False
            if changes_access(entry):
                return False  # the log has no secrets, so they have to be read
            self._advance(state, News(RevisionId(entry.revision, entry.stamp), entries=(entry,)))
            return True

    def doubt(self) -> None:
        """Tell all subscribers of the state that there is, as one in which anything may be another.

        To be called when the database is back: it may have lost changes that only other processes have seen. A client
        that has such a change from one of those asks then, and one that has this state does not.
        """
        with self._lock:
            if self.state is not None:
                self._publish_anew(replace(self.state, era=self.state.era + 1))

    def _is_new_enough(self, state: CatalogState, at_least: RevisionId | None, asked_s: float) -> bool:
        if at_least is not None and state.has(at_least):
            return True
        return self.checked_at_s is not None and self.checked_at_s > asked_s

    def _load(self, era: int = 0) -> CatalogState:
        picture, entries = self._storage.read(_take_picture_and_log)
        steps = tuple(Step(entry.revision, _find_effects(entry, picture), entry.stamp) for entry in entries)
        return CatalogState(picture, AnswerCache(self._max_cache_bytes), steps, era, self._cache_control)

    def _follow(self, state: CatalogState) -> CatalogState:
        news = self._storage.read(lambda reader: read_news(reader, state.picture.revision_id))
        if news.is_lost:
            state = self._reload(state, is_lost=True)
        elif news.newest != state.picture.revision_id:
            state = self._advance(state, news)
        return state

    def _note_loss(self, state: CatalogState, reloaded: CatalogState) -> None:
        self.losses += 1
        self.history_lost_at = datetime.now(UTC)
        logger.error(
            "the database has lost changes: this process had revision %s, the newest one is %s now, the last that both"
            " have is %s; was a backup restored, or did a standby take over that lacked them? All is loaded anew",
            state.picture.revision_id,
            reloaded.picture.revision_id,
            find_last_common(state.steps, reloaded.steps) or "not known",
        )

    def _advance(self, state: CatalogState, news: News) -> CatalogState:
        behind = news.newest.number - state.picture.revision
        if len(news.entries) < behind:
            logger.info("%d changes behind: everything is loaded anew", behind)
            return self._reload(state)
        try:
            picture, steps = advance(state.picture, news.entries)
        except (LookupError, TypeError, ValueError):
            logger.exception("the change log does not fit what is in memory: everything is loaded anew")
            return self._reload(state)
        if news.access is not None:
            picture = replace(picture, access=AccessPicture(news.access))
        effects = [effect for step in steps for effect in step.effects]
        recent = deque((*state.steps, *steps), maxlen=_MAX_STEPS)
        cache = state.cache.carry_over(effects)
        state = CatalogState(picture, cache, tuple(recent), state.era, self._cache_control)
        return self._publish(state, steps)

    def _reload(self, state: CatalogState, *, is_lost: bool = False) -> CatalogState:
        reloaded = self._load(state.era)
        # It may have been lost since that was looked at.
        if is_lost or not reloaded.has(state.picture.revision_id):
            reloaded = replace(reloaded, era=state.era + 1)
            self._note_loss(state, reloaded)
        return self._publish_anew(reloaded)

    def _publish_anew(self, state: CatalogState) -> CatalogState:
        return self._publish(state, [Step(state.picture.revision, (EVERYWHERE,), state.picture.stamp)])

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
