"""The thread that stores once a minute which clients have asked for which settings."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from heksher.backoff import draw
from heksher.server.limits import MAX_CLIENTS
from heksher.server.metrics import Metrics
from heksher.server.recurring_work import RecurringWork
from heksher.server.storage.access_records import floor_hour
from heksher.server.storage.base import Reader, Storage
from heksher.server.storage.storage_errors import StorageError
from heksher.server.storage.usage_records import MAX_AHEAD, ClientRecord, SettingUse, is_newer
from heksher.server.usage.client_fields import ClientFields, identify
from heksher.server.usage.use_counter import CountedUses, UseCounter

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

_INTERVAL_S: Final = 60.0
# A client that asks the same as before is stored this often.
_CLIENT_INTERVAL: Final = timedelta(minutes=5)
# Other writes wait for as long as so many take.
_MAX_ITEMS: Final = 500


class Followers(NamedTuple):
    """The clients that follow the same settings on streams.

    Attributes:
        names: the settings that they name; ``None`` for all.
        clients: the clients, one or more.
    """

    names: Sequence[str] | None
    clients: Sequence[ClientFields]


class _Stored(NamedTuple):
    """What was last stored of a client."""

    seen_at: datetime
    revision: int


class UseRecorder(RecurringWork):
    """Stores what a counter has noted, and who follows streams.

    Args:
        storage: keeps it.
        counter: is emptied. If it does not count, what is stored of the past is marked as having a gap.
        list_followers: returns who follows streams at this moment; may be called from any thread.
        metrics: say when it was stored, and how many clients there are.
        wait: waits for so many seconds, and returns whether it is to end; ``None`` to wait until ``close``.
    """

    def __init__(
        self,
        storage: Storage,
        counter: UseCounter,
        list_followers: Callable[[], Iterable[Followers]],
        metrics: Metrics,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        # Random, so that workers and replicas that start together take turns.
        super().__init__("heksher-usage", draw(0, _INTERVAL_S), wait)
        self._storage = storage
        self._counter = counter
        self._list_followers = list_followers
        self._metrics = metrics
        self._clock = _Clock()
        # Whether a clock that went wrong may have said since when uses are counted.
        self._is_doubtful = False
        self._stored: dict[ClientFields, _Stored] = {}
        # Held while it is stored: by the thread, or by who cannot wait for it.
        self._lock = threading.Lock()

    def close(self) -> None:
        """Stop the thread, and store what is left."""
        super().close()
        if self._thread.ident is not None:
            self._store_or_tell()

    def store(self) -> None:
        """Store what was noted so far.

        Raises:
            StorageError: it cannot be stored; it stays noted.
        """
        with self._lock:
            if self._counter.is_counting:
                self._store(datetime.now(UTC))
            elif self._storage.read(_find_start) is not None:
                self._storage.note(lambda notes: notes.forget_count())

    def list_unstored(self) -> dict[str, str]:
        """Return what was asked for and is not stored yet: clients in words, by names of settings. Thread-safe."""
        unstored = CountedUses(dict(self._counter.list_unstored()))
        self._add_followers(unstored)
        return _describe_clients(unstored.settings)

    def _work(self) -> float:
        self._store_or_tell()
        return _INTERVAL_S

    def _store_or_tell(self) -> None:
        try:
            self.store()
        except StorageError as error:
            logger.warning("what programs use was not stored, which is tried again: %s", error)
        # Any error at all: if the thread ended, what is used would be taken for unused.
        except Exception:
            logger.exception("storing what programs use failed; it is tried again")

    def _store(self, now: datetime) -> None:
        self._is_doubtful |= self._clock.was_advanced(now)
        counted = self._counter.take()
        self._add_followers(counted)
        try:
            known = self._storage.read(
                lambda reader: _Known(reader.counted_since(), reader.setting_uses(counted.settings))
            )
            if known.counted_since is not None and (self._is_doubtful or known.counted_since > now + MAX_AHEAD):
                self._storage.note(lambda notes: notes.forget_count())
                known = known._replace(counted_since=None)
            self._is_doubtful = False
            if known.counted_since is None:
                # Nothing may be there any more, as after a restore.
                self._stored.clear()
            self._note(counted, known, now)
        except BaseException:
            self._counter.give_back()
            raise
        self._counter.let_go()
        self._metrics.note_stored_use(len(counted.clients))

    def _add_followers(self, counted: CountedUses) -> None:
        for followers in self._list_followers():
            for client in followers.clients:
                counted.add((), client, 0)
            counted.add(followers.names or (), followers.clients[0], 0)

    def _note(self, counted: CountedUses, known: "_Known", now: datetime) -> None:
        uses = dict(_list_due_uses(counted.settings, known.uses, now))
        clients = [client for client in counted.clients if self._is_due(client, counted.clients[client], now)]
        for some in _in_batches(uses.items()):
            self._send(dict(some), (), now)
        for batch in _in_batches(clients):
            self._send({}, [ClientRecord(*identify(client), now, counted.clients[client]) for client in batch], now)
            self._stored.update((client, _Stored(now, counted.clients[client])) for client in batch)
        if known.counted_since is None and not uses and not clients:
            self._send({}, (), now)
        if len(self._stored) > 2 * MAX_CLIENTS:
            self._stored.clear()

    def _send(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        self._storage.note(lambda notes: notes.note_uses(uses, clients, now))

    def _is_due(self, client: ClientFields, revision: int, now: datetime) -> bool:
        stored = self._stored.get(client)
        if stored is None or revision not in {0, stored.revision}:
            return True
        # A clock that was set back would have it wait for as long.
        return not timedelta(0) <= now - stored.seen_at < _CLIENT_INTERVAL


class _Clock:
    """Notices when the clock is put forward: until then it may have been wrong, and told of a time long ago as now."""

    def __init__(self) -> None:
        # What the clock said when that of ``time.monotonic``, which nobody sets, began; None before the first look.
        self._origin: datetime | None = None

    def was_advanced(self, now: datetime) -> bool:
        """Return whether that has happened since the last look."""
        last, self._origin = self._origin, now - timedelta(seconds=time.monotonic())
        return last is not None and self._origin - last > MAX_AHEAD


class _Known(NamedTuple):
    """What is stored already."""

    counted_since: datetime | None
    uses: Mapping[str, SettingUse]


def _find_start(reader: Reader) -> datetime | None:
    return reader.counted_since()


def _list_due_uses(
    settings: Mapping[str, ClientFields], known: Mapping[str, SettingUse], now: datetime
) -> Iterator[tuple[str, SettingUse]]:
    """Yield the uses that are not known yet; each hour they are other ones."""
    hour = floor_hour(now)
    for name, client in _describe_clients(settings).items():
        if name not in known or is_newer(hour, known[name].used_at):
            yield name, SettingUse(now, client)


def _describe_clients(settings: Mapping[str, ClientFields]) -> dict[str, str]:
    descriptions = {client: identify(client).describe() for client in frozenset(settings.values())}
    return {name: descriptions[client] for name, client in settings.items()}


def _in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, _MAX_ITEMS)):
        yield batch
