"""What units of work read of the change log. The guarantees are those of ``base``."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

from heksher.server.storage.records import Conditions, LastChange, LogEntry, LoggedChange, Selection


class LogReader(ABC):
    """The change log at one revision.

    Attributes:
        has_log: whether it is there. Where it is not, all methods raise ``StorageUnavailableError``.
    """

    has_log: ClassVar[bool] = True

    @abstractmethod
    def last_change(self, revision: int) -> LastChange | None:
        """Return who made the change with a revision that an object has, and when.

        Also if its entry was removed from the log. ``None`` if it was, and no object had this revision then.
        """

    @abstractmethod
    def forgotten_deletion(self, kind: str, key: str) -> str | None:
        """Return by which action a setting or rule was deleted, if an entry which was removed says so.

        ``None`` if there is a newer change of it, or no such object was deleted.
        """

    @abstractmethod
    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        """Return the log entries with a revision above ``after_revision``, ascending.

        Args:
            after_revision: any integer.
            limit: the maximum number of entries.
            max_changes: the maximum number of changes of each entry, from its first one on; less than 1 counts as 1.
        """

    def history(
        self,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        *,
        setting: str | None = None,
        rule_id: int | None = None,
    ) -> list[LogEntry]:
        """Return the log entries that changed a setting (or one of its rules), or a rule, or all: see ``select``."""
        return self.select(Selection(setting=setting, rule_id=rule_id), before_revision, limit, max_changes)

    @abstractmethod
    def select(
        self,
        selection: Selection,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        max_bytes: int | None = None,
    ) -> list[LogEntry]:
        """Return log entries with the changes that are selected, newest first.

        Entries without any of them are left out. The cost of a page does not depend on the length of the log.

        Args:
            selection: which changes.
            before_revision: only entries below this revision. The revision of the last entry of a page is the cursor
                for the next page; ``None`` starts at the newest entry.
            limit: the maximum number of entries.
            max_changes: the maximum number of changes of each entry, from its first one on; less than 1 counts as 1.
            max_bytes: of the long values of the page (those above 4 KiB, each counted once); it ends before the entry
                with which they would have more. Its first entry is there in any case. ``None`` for any number.
        """

    @abstractmethod
    def changes(
        self, revision: int, first: int = 0, limit: int = 1000, max_bytes: int | None = None
    ) -> list[LoggedChange]:
        """Return at most ``limit`` changes of one log entry, in order, from number ``first`` (counted from 0) on.

        Args:
            revision: of the entry; any integer, as the next two are.
            first: the number of the first change.
            limit: the maximum number of changes.
            max_bytes: as for ``select``, of these changes.
        """

    @abstractmethod
    def changed_subjects(
        self, after_revision: int, until_revision: int, after_subject: int = 0, max_changes: int = 1000
    ) -> list[int]:
        """Return the numbers of settings that were changed, or rules of theirs, ascending.

        A number is that of one setting under all of its names, also after its deletion.

        Args:
            after_revision: only by entries above this revision.
            until_revision: only by entries up to this revision.
            after_subject: only numbers above this one, which is the cursor for the next page.
            max_changes: the page ends before the setting with which there would be more changes; the first one is there
                in any case. There are never more than 100 settings.
        """

    @abstractmethod
    def find_conditions(self, rule_ids: Collection[int]) -> dict[int, Conditions]:
        """Return the conditions of rules that there are, or were as far as the log has their deletion, by id."""
