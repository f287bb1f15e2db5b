"""The contract of a storage, which holds settings, rules, context features and the change log.

Guarantees of every storage, checked by ``tests/conformance``
-------------------------------------------------------------
* **Atomic**: a unit of work is stored completely or not at all; if the work raises an error, nothing is stored.
* **Serial**: units of writing work take effect one after another, and each sees all earlier ones.
* **Isolated**: a unit of reading work sees the state at one revision, however long it takes.
* **Durable**: once ``write`` has returned, what it stored survives the process being killed.
* **Logged**: a unit of work that changes anything appends exactly one entry to the change log. Its parts are the
  changes that the unit recorded, in their order; its number is the storage's new revision. Revisions grow by one,
  without gaps, and are never reused.
* **Dated**: each setting, each rule and the list of context features has the revision of its last change.
* **Unique**: a name or alias belongs to one setting, and no two rules of a setting have the same conditions. The id of
  a deleted rule is reused only for that rule: for one of the same setting with the same conditions, and only if the log
  records the deletion of the rule with this id. The log decides, so an id whose deletion is not recorded stays unused;
  only ``load`` may give an id that the log does not know at all.
* **Traceable**: the log can be read by setting. A setting keeps its identity under all names that it has had, and a
  setting that is added under the last canonical name of a deleted one continues that one's identity.
* **Thread-safe**: all methods of ``Storage`` may be called from any thread.

Duties of callers: a unit of work may run more than once before one run of it is stored, so it must have no side
effects. It may use its reader or writer only until it returns. Names passed to ``Writer`` are canonical, and have
passed the lexical rules of the API. A change is recorded after it was made, with the fields that ``LoggedChange``
describes; a rule's with its setting and, on the side that has all fields, its conditions as ``feature_values``.
``operations`` checks the meaning (types, versions, conflicts). A method of a writer that cannot do what it is called
for raises ``ContractError``; then nothing of its unit of work is stored, even if the work continues.
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
        """Return the number of the newest entry of the change log; 0 if there is none."""

    @abstractmethod
    def context_features(self) -> tuple[str, ...]:
        """Return the context features in their order."""

    @abstractmethod
    def features_revision(self) -> int:
        """Return the revision of the last change of the list of context features; 0 if there was none."""

    @abstractmethod
    def find_setting(self, name: str) -> SettingRecord | None:
        """Return the setting with a name or alias, or ``None``."""

    def find_settings(self, names: Collection[str]) -> dict[str, SettingRecord]:
        """Return the settings with these names or aliases (any number of them), by what was asked for.

        On a database, that takes one statement for a thousand names.
        """
        found = ((name, self.find_setting(name)) for name in names)
        return {name: setting for name, setting in found if setting is not None}

    @abstractmethod
    def settings(self) -> list[SettingRecord]:
        """Return all settings, sorted by name (by bytes)."""

    @abstractmethod
    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        """Return rules by ascending id: those of the settings with these canonical names (any number of them), or all.

        The cost of reading the rules of a few settings does not depend on the total number of rules.
        """

    @abstractmethod
    def find_rule(self, rule_id: int) -> RuleRecord | None:
        """Return the rule with an id, which may be any integer, or ``None``."""

    def find_rule_and_type(self, rule_id: int) -> tuple[RuleRecord, str] | None:
        """Return the rule with an id, which may be any integer, with the type of its setting, or ``None``."""
        rule = self.find_rule(rule_id)
        setting = None if rule is None else self.find_setting(rule.setting)
        return None if rule is None or setting is None else (rule, setting.type)

    @abstractmethod
    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        """Return the rule of a setting (canonical name) that has exactly these conditions, or ``None``."""

    @abstractmethod
    def log(self, after_revision: int = 0, limit: int = 1000, max_changes: int = 1000) -> list[LogEntry]:
        """Return the log entries with a revision above ``after_revision``, ascending.

        Args:
            after_revision: any integer.
            limit: the maximum number of entries.
            max_changes: the maximum number of changes of each entry, from its first one on; less than 1 counts as 1.
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
        """Return log entries, newest first. The cost of a page does not depend on the length of the log.

        Args:
            before_revision: only entries below this revision. The revision of the last entry of a page is the cursor
                for the next page; ``None`` starts at the newest entry.
            limit: the maximum number of entries.
            max_changes: the maximum number of changes of each entry, from its first one on; less than 1 counts as 1.
            setting: only entries that changed this setting or one of its rules, and only those changes of them. Any
                name of a setting, or any canonical name that a deleted setting had. ``None`` for all.
            rule_id: only entries that changed the rule with this id, and only those changes of them. ``None`` for all.
                Cannot be combined with ``setting``.
        """

    @abstractmethod
    def changes(self, revision: int, first: int = 0, limit: int = 1000) -> list[LoggedChange]:
        """Return at most ``limit`` changes of one log entry, in order, from number ``first`` (counted from 0) on."""


class Writer(Reader):
    """The state inside a unit of writing work, including the unit's own changes."""

    @abstractmethod
    def set_context_features(self, features: Sequence[str]) -> None:
        """Replace the list of context features. It must keep every feature that a setting is configurable by."""

    @abstractmethod
    def add_setting(self, setting: SettingRecord) -> None:
        """Add a setting. Its name and aliases must not belong to any setting yet; its features must be in the list."""

    def add_settings(self, settings: Collection[SettingRecord]) -> None:
        """Add many settings, each as ``add_setting`` does."""
        for setting in settings:
            self.add_setting(setting)

    @abstractmethod
    def replace_setting(self, name: str, setting: SettingRecord) -> None:
        """Replace all attributes of the setting called ``name``, including its name; its rules stay with it."""

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
            setting: the canonical name of its setting.
            conditions: a value for each context feature that the rule matches on.
            value: any JSON value.
            metadata: any JSON object.
            rule_id: the id that the same rule had before it was deleted, see *Unique*; ``None`` for a new id, above all
                others.
        """

    @abstractmethod
    def replace_rule(self, rule: RuleRecord) -> None:
        """Replace value and metadata of the rule with this id; its setting and conditions never change."""

    @abstractmethod
    def delete_rule(self, rule_id: int) -> None:
        """Delete a rule."""

    @abstractmethod
    def load(self, settings: Collection[SettingRecord], rules: Collection[RuleRecord], next_rule_id: int) -> None:
        """Add many settings, and rules with the ids that they have: a fast path for imports.

        Args:
            settings: as for ``add_setting``.
            rules: rules of these settings, or of others that are there, with ids that were never given: above the
                highest one, or, below it, unknown to the log.
            next_rule_id: the lowest id that the next new rule may have, above all of these.
        """

    def record(self, change: LoggedChange) -> None:
        """Append a change to the log entry of this unit of work, right after it was made; any number of times."""
        self.record_all((change,))

    @abstractmethod
    def record_all(self, changes: Iterable[LoggedChange]) -> None:
        """Append changes to the log entry of this unit of work, reading them in batches as they are stored.

        Their actions, kinds, keys and settings must be texts without U+0000 and lone surrogates.
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
        """Release all resources. May be called more than once."""

    @abstractmethod
    def check(self) -> None:
        """Raise ``StorageUnavailableError`` if the storage cannot be reached."""

    @abstractmethod
    def read(self, work: Callable[[Reader], T]) -> T:
        """Run a unit of reading work and return its result.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """

    def recall(self, work: Callable[[Reader], T], at_least: int = 0) -> Written[T] | None:
        """Run a unit of reading work on what this process has in memory, without asking the database.

        Whether a write is answered without being run is decided by ``work``, on one state. That state may lack the
        latest writes of other processes, but none that this process has answered.

        Args:
            work: the unit of work; there is no change log to read.
            at_least: the lowest revision that the state may have.

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
        at_least: int = 0,
    ) -> Written[T]:
        """Recall the result of a unit of writing work that changes nothing; run it if the result is not known.

        Args:
            know: returns the result by what is in memory, see ``recall``; ``None`` if that does not say it for certain.
            work: the unit of work.
            origin: who requested it.
            at_least: the lowest revision that a recalled result may be of.

        Raises:
            StorageUnavailableError: the result is not known, and the storage cannot be reached.
            ContractError: the work broke this contract; nothing was stored.
        """
        known = self.recall(know, at_least)
        if known is not None and known.result is not None:
            return Written(known.result, known.revision)
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

    def listen(self) -> Listener:
        """Listen for writes of other processes until the listener is closed. The storage need not be open.

        The base listener receives none; a storage whose database announces writes overrides this.
        """
        return Listener()

    @property
    def poll_interval_s(self) -> float:
        """How often, in seconds, to look for writes of other processes that a listener may not receive."""
        return 1.0
