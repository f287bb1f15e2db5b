"""What the change log has after a revision, and whether that is still the history which the revision belongs to.

A database can change its history: where a backup was restored, or a standby took over that lacked the last changes,
changes are gone that were acknowledged, and their numbers stand for others. Numbers do not show that, stamps do.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from heksher.revision_id import RevisionId
from heksher.server.catalog.access_picture import ACCESS_KINDS
from heksher.server.catalog.advance import Step
from heksher.server.storage.access_records import AccessRecords
from heksher.server.storage.base import LogEntry, Reader

# Of a catalog that is further behind than this, in entries or in changes, nothing is read: reloading is cheaper then.
_MAX_ENTRIES: Final = 5000
_MAX_CHANGES: Final = 20_000
# How many entries are read at once.
_BATCH_ENTRIES: Final = 500


class News(NamedTuple):
    """How the log goes on after a revision.

    Attributes:
        newest: the newest revision.
        is_lost: whether the log has not the revision that was known, but another history.
        entries: the entries from the known revision (excluded) to the newest; fewer if reloading is cheaper.
        access: who may do what at the newest revision; ``None`` if no entry has changed that.
    """

    newest: RevisionId
    is_lost: bool = False
    entries: tuple[LogEntry, ...] = ()
    access: AccessRecords | None = None


def read_news(reader: Reader, known: RevisionId) -> News:
    """Return how the log goes on after a known revision."""
    newest = reader.revision_id()
    if newest == known:
        return News(newest)
    if newest.number <= known.number:
        return News(newest, is_lost=True)
    entries = _read_entries(reader, known.number, newest.number)
    if entries and entries[0].revision == known.number:
        news = News(newest, entries[0].stamp != known.stamp, entries[1:])
    else:
        # The log may have been shortened meanwhile, so a known entry that is not there says nothing.
        news = News(newest, entries=entries)
    return news._replace(access=reader.access()) if any(map(changes_access, news.entries)) else news


def changes_access(entry: LogEntry) -> bool:
    """Return whether an entry changes who may do what."""
    return any(change.kind in ACCESS_KINDS for change in entry.changes)


def find_last_common(before: Iterable[Step], after: Iterable[Step]) -> int | None:
    """Return the last revision that two histories share, as far as their steps go; ``None`` if they show none."""
    stamps = {step.revision: step.stamp for step in before}
    return max((step.revision for step in after if stamps.get(step.revision) == step.stamp), default=None)


def _read_entries(reader: Reader, known: int, newest: int) -> tuple[LogEntry, ...]:
    """Return the entries from the known one on (included), without gaps; some are missing if reloading is cheaper."""
    if newest - known > _MAX_ENTRIES:
        return tuple(reader.log(known - 1, 1, 1))
    entries: list[LogEntry] = []
    changes, after = 0, known - 1
    while after < newest and changes <= _MAX_CHANGES:
        some = reader.log(after, _BATCH_ENTRIES, _MAX_CHANGES)
        if not some or not _are_whole(some, known):
            return tuple(entries or some[:1])
        entries += some
        changes += sum(len(entry.changes) for entry in some if entry.revision != known)
        after = some[-1].revision
    return tuple(entries)


def _are_whole(entries: Sequence[LogEntry], known: int) -> bool:
    # Of the known entry nothing but the stamp is used.
    return all(entry.is_whole or entry.revision == known for entry in entries)
