"""The contract of a storage: settings, rules, context features, what access needs, webhooks, and the change log.

Guarantees of every storage, checked by ``tests/conformance``
-------------------------------------------------------------
* **Atomic**: a unit of work is stored completely or not at all; if the work raises an error, nothing is stored.
* **Serial**: units of writing work take effect one after another, and each sees all earlier ones.
* **Isolated**: a unit of reading work sees the state at one revision, however long it takes.
* **Durable**: once ``write`` has returned, what it stored survives the process being killed.
* **Logged**: a unit of work that changes anything appends exactly one entry to the change log. Its parts are the
  changes that the unit recorded, in their order; its number is the storage's new revision. Revisions grow by one,
  without gaps, and are never reused.
* **Stamped**: each entry has a random stamp, which stays with it. So the newest number and stamp say which history of
  the database this is; where a backup was restored, or writes were lost, one number can stand for two entries.
* **Dated**: each setting, rule, token, person and webhook, and the list of context features, has the revision of its
  last change, and who made that, and when, is known as long as the object exists.
* **Prunable**: the oldest entries of the log can be removed. It has all entries from some revision to the newest one,
  which always stays; what else is stored stays as it is. Which settings and rules were deleted stays known, so that no
  id is given again, and that a deleted setting continues its identity.
* **Unique**: a name or alias belongs to one setting, and no two rules of a setting have the same conditions. The id of
  a deleted rule is reused only for that rule: for one of the same setting with the same conditions, and only if the log
  records the deletion of the rule with this id. The log decides, so an id whose deletion is not recorded stays unused;
  only ``load`` may give an id that the log does not know at all. No two tokens have the same name or digest, no two
  people the same name or identity (issuer and subject), and no two webhooks the same name.
* **Traceable**: the log can be read by setting. A setting keeps its identity under all names that it has had, and a
  setting that is added under the last canonical name of a deleted one continues that one's identity, unless it is said
  which deleted one it is.
* **Thread-safe**: all methods of ``Storage`` may be called from any thread.

Duties of callers: a unit of work may run more than once before one run of it is stored, so it must have no side
effects. It may use its reader or writer only until it returns. Names passed to ``Writer`` are canonical, and have
passed the lexical rules of the API. A change is recorded after it was made, with the fields that ``LoggedChange``
describes; a rule's with its setting and, on the side that has all fields, its conditions as ``feature_values``. What is
recorded of tokens, people, webhooks and the signing key has neither a digest, nor the hash of a password, nor a URL,
nor a key.
``operations`` checks the meaning (types, versions, conflicts). A method of a writer that cannot do what it is called
for raises ``ContractError``; then nothing of its unit of work is stored, even if the work continues.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from heksher.revision_id import RevisionId
from heksher.server.storage.ceilings import Ceilings
from heksher.server.storage.listener import Listener
from heksher.server.storage.records import (
    CONTEXT_FEATURES,
    NOBODY,
    RULE,
    SETTING,
    Conditions,
    Expectation,
    Fields,
    LastChange,
    LogEntry,
    LoggedChange,
    Origin,
    RuleOfSetting,
    RuleRecord,
    Selection,
    SettingRecord,
    Written,
)
from heksher.server.storage.work import Notes, Reader, Writer

__all__ = [
    "CONTEXT_FEATURES",
    "NOBODY",
    "RULE",
    "SETTING",
    "Conditions",
    "Expectation",
    "Fields",
    "LastChange",
    "LogEntry",
    "LoggedChange",
    "Notes",
    "Origin",
    "Reader",
    "RuleOfSetting",
    "RuleRecord",
    "Selection",
    "SettingRecord",
    "Storage",
    "Writer",
    "Written",
]

T = TypeVar("T")


class Storage(ABC):
    """A place where the service keeps its data. See the module's documentation for what it guarantees.

    Attributes:
        ceilings: what ``Writer.require_room`` goes by; ``None`` for any number of everything. To be set before the
            first write.
    """

    ceilings: Ceilings | None = None

    @abstractmethod
    def open(self) -> None:
        """Make the storage ready: connect, and create what is missing.

        Raises:
            StorageError: it cannot be made ready; the message names the place and the remedy.
        """

    @abstractmethod
    def close(self) -> None:
        """Release all resources. May be called more than once."""

    @abstractmethod
    def check(self) -> None:
        """Raise ``StorageUnavailableError`` if the storage cannot be reached."""

    def check_writes(self) -> None:
        """Raise an error if no write can succeed now, as far as that can be told without writing anything.

        Raises:
            StorageUnavailableError: no write can succeed; its reason says why in a word or two.
        """
        self.check()

    @abstractmethod
    def read(self, work: Callable[[Reader], T]) -> T:
        """Run a unit of reading work and return its result.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """

    def recall(self, work: Callable[[Reader], T], at_least: RevisionId | None = None) -> Written[T] | None:
        """Run a unit of reading work on what this process has in memory, without asking the database.

        Whether a write is answered without being run is decided by ``work``, on one state. That state may lack the
        latest writes of other processes, but none that this process has answered.

        Args:
            work: the unit of work; there is no change log to read.
            at_least: the revision that the state must have; ``None`` if any will do.

        Returns:
            The result with the revision that it was found at; ``None`` if there is no such state in memory. The base
            storage has none; the one that has the catalog behind it overrides this.
        """
        del work, at_least
        return None

    def write_unless_known(
        self,
        know: Callable[[Reader], T | None],
        work: Callable[[Writer], T],
        origin: Origin = NOBODY,
        at_least: RevisionId | None = None,
    ) -> Written[T]:
        """Recall the result of a unit of writing work that changes nothing; run it if the result is not known.

        Args:
            know: returns the result by what is in memory, see ``recall``; ``None`` if that does not say it for certain.
            work: the unit of work.
            origin: who requested it.
            at_least: the revision that a recalled result must know; ``None`` if any will do.

        Raises:
            StorageUnavailableError: the result is not known, and the storage cannot be reached.
            ContractError: the work broke this contract; nothing was stored.
        """
        known = self.recall(know, at_least)
        if known is not None and known.result is not None:
            return Written(known.result, *known.revision_id)
        return self.write(work, origin)

    @abstractmethod
    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        """Run a unit of writing work, store its changes, and return its result with the revision that shows them.

        If the work recorded nothing, nothing is stored, and the revision is the newest one.

        Args:
            work: the unit of work.
            origin: who requested the write, and why; kept in the log.
            expected: what must still hold for an object, checked in the transaction that does the work; ``None`` for no
                check.

        Raises:
            StorageUnavailableError: the storage cannot be reached. Nothing was stored, unless the connection to a
                database server was lost during the commit: then the outcome is unknown.
            ExpectationError: the object is gone, or was changed since; the work was not run.
            ContractError: the work broke this contract; nothing was stored.
        """

    @abstractmethod
    def note(self, work: Callable[[Notes], T]) -> T:
        """Run a unit of work on what the change log does not have, store what it notes, and return its result.

        That makes no revision. These units and those of writing work take effect one after another.

        Args:
            work: the unit of work.

        Raises:
            StorageUnavailableError: the storage cannot be reached; as for ``write``.
            ContractError: the work broke this contract; nothing was stored.
        """

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        """Note when tokens were used, in a unit of work of its own.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        self.note(lambda notes: notes.note_token_uses(uses))

    def prune(self, before: datetime) -> int:
        """Remove the oldest entries of the change log, up to the first one that was made later, and return how many.

        Proposals that ended before are removed, too, except for the newest one.

        The newest entry stays, and so do the last changes of objects as ``Reader.last_change`` returns them. Units of
        work may run meanwhile; if an error ends it, some entries have been removed. The base storage has no log.

        Args:
            before: entries made at this time or later stay; with a time zone.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """
        del before
        return 0

    def listen(self) -> Listener:
        """Listen for writes of other processes until the listener is closed. The storage need not be open.

        The base listener receives none; a storage whose database announces writes overrides this.
        """
        return Listener()

    @property
    def poll_interval_s(self) -> float:
        """How often, in seconds, to look for writes of other processes that a listener may not receive."""
        return 1.0
