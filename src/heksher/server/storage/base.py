"""The contract of a storage: what holds settings, rules, context features and the change log.

Guarantees that every storage gives, and ``tests/conformance`` checks
---------------------------------------------------------------------
* **Atomic**: of a unit of work either everything is stored or nothing; when the work raises, nothing is.
* **Serial**: units of writing work take effect one after another, each seeing all that came before it.
* **Isolated**: a unit of reading work sees the state at one revision, however long it takes.
* **Durable**: what ``write`` returned for is there after the process was killed.
* **Logged**: a unit of work that changes anything appends exactly one entry to the change log, whose parts are the
  changes that it recorded, in their order; the entry's number is the storage's new revision. Revisions grow by one,
  without gaps, and are never used twice.
* **Dated**: each setting, each rule and the list of context features has the revision of its last change.
* **Unique**: a name or alias belongs to one setting; no two rules of a setting have the same conditions; the id of a
  rule that was deleted is given again to that rule alone: to one of the same setting with the same conditions, if the
  log says that the rule with this id was deleted. The log decides, so an id whose deletion is not recorded stays
  unused.
* **Traceable**: the log can be read by setting. A setting is the same one under all the names that it has had, and it
  is the same one again when a setting is added under the canonical name that a deleted one had last.
* **Thread-safe**: all methods of ``Storage`` may be called from any thread.

What callers owe: a unit of work may be run more than once before one run of it is stored, so it has no effects of its
own; it uses the reader or writer that it is given only until it returns; names given to ``Writer`` are canonical, and
the lexical rules of the API have been checked; what was changed is recorded after it was done, with the fields as
``LoggedChange`` says, and a rule's with its setting and, on the side that has all fields, its conditions as
``feature_values``. Checks of meaning (types, versions, conflicts) are made by ``operations``. A method of a writer that
cannot do what it is asked raises ``ContractError``, and then nothing of its unit of work is stored, even if the work
goes on.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from heksher.server.storage.listener import Listener
from heksher.server.storage.records import (
    CONTEXT_FEATURES,
    NOBODY,
    RULE,
    SETTING,
    Conditions,
    Expectation,
    Fields,
    LogEntry,
    LoggedChange,
    Origin,
    RuleRecord,
    SettingRecord,
    Written,
)
from heksher.value_type import JSON

__all__ = [
    "CONTEXT_FEATURES",
    "NOBODY",
    "RULE",
    "SETTING",
    "Conditions",
    "Expectation",
    "Fields",
    "LogEntry",
    "LoggedChange",
    "Origin",
    "Reader",
    "RuleRecord",
    "SettingRecord",
    "Storage",
    "Writer",
    "Written",
]

T = TypeVar("T")


class Reader(ABC):
    """The state at one revision."""

    @abstractmethod
    def revision(self) -> int:
        """Return the number of the newest entry of the change log; 0 when there is none."""

    @abstractmethod
    def context_features(self) -> tuple[str, ...]:
        """List the context features in their order."""

    @abstractmethod
    def features_revision(self) -> int:
        """Return the revision of the last change of the list of context features; 0 when there was none."""

    @abstractmethod
    def find_setting(self, name: str) -> SettingRecord | None:
        """Find a setting by its name or an alias."""

    @abstractmethod
    def settings(self) -> list[SettingRecord]:
        """List all settings, sorted by name (by bytes)."""

    @abstractmethod
    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        """List rules by ascending id: of the settings with these canonical names (any number of them), or of all.

        What the rules of a few settings cost does not depend on how many rules there are.
        """

    @abstractmethod
    def find_rule(self, rule_id: int) -> RuleRecord | None:
        """Find a rule by its id, which may be any integer."""

    @abstractmethod
    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        """Find the rule of a setting (canonical name) that has exactly these conditions."""

    @abstractmethod
    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        """List the log entries with a revision above ``after_revision``, ascending.

        Args:
            after_revision: any integer.
            limit: at most so many entries.
            max_changes: of each entry, at most so many changes, the first ones; less than 1 counts as 1.
        """

    @abstractmethod
    def history(
        self,
        before_revision: int | None = None,
        limit: int = 100,
        max_changes: int = 100,
        *,
        setting: str | None = None,
        rule_id: int | None = None,
    ) -> list[LogEntry]:
        """List log entries, newest first. What a page costs does not depend on the length of the log.

        Args:
            before_revision: only those below it, as the last entry of one page is the cursor for the next; ``None``:
                from the newest on.
            limit: at most so many entries.
            max_changes: of each entry, at most so many changes, the first ones; less than 1 counts as 1.
            setting: only entries that changed this setting or one of its rules, and of them only these changes. Any
                name of a setting, or any canonical name that a deleted one had. ``None``: of all.
            rule_id: only entries that changed the rule with this id, and of them only these changes. ``None``: of all.
                Not together with ``setting``.
        """

    @abstractmethod
    def changes(self, revision: int, first: int = 0, limit: int = 1000) -> list[LoggedChange]:
        """List the changes of one log entry in their order: at most ``limit``, from number ``first`` (from 0) on."""


class Writer(Reader):
    """The state inside a unit of writing work: sees its own changes."""

    @abstractmethod
    def set_context_features(self, features: Sequence[str]) -> None:
        """Replace the list of context features. A feature that settings are configurable by must stay in it."""

    @abstractmethod
    def add_setting(self, setting: SettingRecord) -> None:
        """Add a setting whose name and aliases belong to no setting yet, and whose features are in the list."""

    @abstractmethod
    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        """Replace all attributes of the setting called ``name``, its name included; its rules stay with it."""

    @abstractmethod
    def delete_setting(self, name: str) -> None:
        """Delete a setting and its rules."""

    @abstractmethod
    def add_rule(
        self,
        setting: str,
        conditions: Conditions,
        value: JSON,
        metadata: Mapping[str, JSON],
        rule_id: int | None = None,
    ) -> RuleRecord:
        """Add a rule whose conditions no rule of the setting has yet; return it as stored, with its id.

        Args:
            setting: its canonical name.
            conditions: a value for each context feature that it matches on.
            value: any JSON.
            metadata: any JSON object.
            rule_id: that of the same rule before it was deleted, see *Unique*; ``None``: a new one, above all others.
        """

    @abstractmethod
    def replace_rule(self, rule: RuleRecord) -> None:
        """Replace value and metadata of the rule with this id; its setting and conditions never change."""

    @abstractmethod
    def delete_rule(self, rule_id: int) -> None:
        """Delete a rule."""

    @abstractmethod
    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        """Add everything to a storage that holds no settings: the fast way, for an import.

        Args:
            settings: as for ``add_setting``.
            rules: of these settings, with their ids, which are above all that were ever given.
            next_rule_id: the id of the next new rule, above all of these.
        """

    def record(self, change: LoggedChange) -> None:
        """Append a change to the log entry of this unit of work: each as soon as it was made, in any number."""
        self.record_all((change,))

    @abstractmethod
    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        """Append changes to the log entry of this unit of work; they are read as they are stored, some at a time.

        Their actions, kinds, keys and settings must be texts without U+0000 and half surrogate pairs.
        """


class Storage(ABC):
    """A place where the service keeps its data. See the module's documentation for what it guarantees."""

    @abstractmethod
    def open(self) -> None:
        """Make the storage ready: connect, and create what is missing.

        Raises:
            StorageError: it cannot be made ready; the message names the place and the remedy.
        """

    @abstractmethod
    def close(self) -> None:
        """Release everything. May be called more than once."""

    @abstractmethod
    def check(self) -> None:
        """Do nothing if the storage can be reached, else raise ``StorageUnavailableError``."""

    @abstractmethod
    def read(self, work: Callable[[Reader], T]) -> T:
        """Run a unit of reading work and return its result.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """

    @abstractmethod
    def write(
        self, work: Callable[[Writer], T], origin: Origin = NOBODY, expected: Expectation | None = None
    ) -> Written[T]:
        """Run a unit of writing work, store what it did, and return its result with the revision that shows it.

        If the work recorded nothing, nothing is stored, and the revision is the newest one.

        Args:
            work: the unit of work.
            origin: who asks for it, and why: kept in the log.
            expected: what must still be so of an object, seen by the same transaction that does the work; ``None``:
                nothing.

        Raises:
            StorageUnavailableError: the storage cannot be reached. Nothing was stored, unless the connection to a
                database server broke off during the commit: then nobody can tell.
            ExpectationError: the object is gone, or was changed since; the work was not run.
            ContractError: the work broke this contract; nothing was stored.
        """

    def listen(self) -> Listener:
        """Listen for writes of other processes, until the listener is closed. Needs no open storage.

        This one hears of none; a storage whose database tells of writes has its own.
        """
        return Listener()

    @property
    def poll_interval_s(self) -> float:
        """How often, in seconds, to look for writes of other processes that a listener may not hear of."""
        return 1.0
