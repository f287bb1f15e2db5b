"""What webhooks are told of at the moment, of the change log: read once for all of them.

Most webhooks are told of the same entries at about the same time. Only one that has missed much needs others.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Final

from heksher.revision_id import RevisionId
from heksher.server.json_bytes import encode
from heksher.server.storage.base import LogEntry, Reader

# What is read at once, and looked through at once for what concerns a webhook.
_READ_ENTRIES: Final = 50
_PAGE_ENTRIES: Final = 1000
# What is kept, with its fields as JSON; in memory, they take a few times as much.
_MAX_KEPT_BYTES: Final = 4 * 1024 * 1024
_ENTRY_BYTES: Final = 500


class RecentLog:
    """Entries of the change log, each with its first change: most have one. Belongs to one thread.

    Args:
        max_bytes: of what is kept.

    Attributes:
        newest: the newest revision when ``follow`` was called.
    """

    def __init__(self, max_bytes: int = _MAX_KEPT_BYTES) -> None:
        self.newest: RevisionId = RevisionId(0)
        self._max_bytes = max_bytes
        # By revision, the oldest reading first, with what each counts for.
        self._kept: OrderedDict[int, tuple[LogEntry, int]] = OrderedDict()
        self._kept_bytes = 0

    def follow(self, reader: Reader) -> bool:
        """Find out which revision is the newest one; return whether the log is the one that it was.

        It is not where a standby has taken over that lacks its last entries: then what was kept is forgotten.
        """
        before, self.newest = self.newest, reader.revision_id()
        if before in {self.newest, RevisionId(0)} or before == _find_revision_id(reader, before.number):
            return True
        self._kept.clear()
        self._kept_bytes = 0
        return False

    def list_after(self, revision: int) -> tuple[LogEntry, ...]:
        """Return entries that follow a revision, as far as they are kept, one after the other."""
        return tuple(islice(self._follow_kept(revision), _PAGE_ENTRIES))

    def read_after(self, reader: Reader, revision: int) -> tuple[LogEntry, ...]:
        """Return entries that follow a revision, of the log that ``follow`` was called for in this unit of work."""
        entries = reader.log(revision, _READ_ENTRIES, 1)
        for entry in entries:
            self._keep(entry)
        return tuple(entries)

    def _follow_kept(self, revision: int) -> Iterator[LogEntry]:
        while (found := self._kept.get(revision := revision + 1)) is not None:
            yield found[0]

    def _keep(self, entry: LogEntry) -> None:
        entry_bytes = _ENTRY_BYTES + sum(len(encode([change.before, change.after])) for change in entry.changes)
        _, replaced_bytes = self._kept.pop(entry.revision, (None, 0))
        self._kept[entry.revision] = entry, entry_bytes
        self._kept_bytes += entry_bytes - replaced_bytes
        while self._kept_bytes > self._max_bytes:
            _, (_, dropped_bytes) = self._kept.popitem(last=False)
            self._kept_bytes -= dropped_bytes


def _find_revision_id(reader: Reader, revision: int) -> RevisionId | None:
    entries = reader.log(revision - 1, 1, 1)
    return entries[0].revision_id if entries else None
