"""The contract of a storage: what holds settings, rules, context features and the change log.

Guarantees that every storage gives, and ``tests/conformance`` checks
---------------------------------------------------------------------
* **Atomic**: of a unit of work either everything is stored or nothing; when the work raises, nothing is.
* **Serial**: units of writing work take effect one after another, each seeing all that came before it.
* **Isolated**: a unit of reading work sees the state at one revision, however long it takes.
* **Durable**: what ``write`` returned for is there after the process was killed.
* **Logged**: a unit of work that changes anything appends exactly one entry to the change log; the entry's number is
  the storage's new revision. Revisions grow by one, without gaps, and are never used twice.
* **Unique**: a name or alias belongs to one setting; no two rules of a setting have the same conditions; the id of a
  rule that was deleted is not given again.
* **Thread-safe**: all methods of ``Storage`` may be called from any thread.

What callers owe: a unit of work may be run more than once before one run of it is stored, so it has no effects of its
own; it uses the reader or writer that it is given only until it returns; names given to ``Writer`` are canonical, and
the lexical rules of the API have been checked. Checks of meaning (types, versions, conflicts) are made by
``operations``. A method of a writer that cannot do what it is asked raises ``ContractError``, and then nothing of its
unit of work is stored, even if the work goes on.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, Literal, TypeVar

from heksher.server.storage.listener import Listener
from heksher.value_type import JSON

T = TypeVar("T")

# The conditions of a rule: a value for each context feature that it matches on.
Conditions = Mapping[str, str]
ObjectKind = Literal["context_features", "setting", "rule"]


@dataclass(frozen=True, slots=True)
class SettingRecord:
    """A setting as it is stored.

    Attributes:
        name: the canonical name.
        type: in canonical form (``str()`` of a ``ValueType``).
        configurable_features: in no particular order: the order is that of the service's list.
        aliases: earlier names.
        version: ``MAJOR.MINOR`` without leading zeros.
    """

    name: str
    type: str
    default_value: JSON
    configurable_features: frozenset[str]
    version: str
    metadata: Mapping[str, JSON] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule as it is stored; ``setting`` is the canonical name of its setting."""

    rule_id: int
    setting: str
    conditions: Conditions
    value: JSON
    metadata: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """What one unit of work changed.

    Attributes:
        action: what was done, in the words of the API: ``declare``, ``rename``, ``set value`` ...
        kind, key: the object: a setting's canonical name, a rule's id, or ``""`` for the list of context features.
        before, after: the object as JSON, ``None`` where it did not exist. A deleted setting includes its rules, so
            that the deletion can be undone from the log alone.
    """

    action: str
    kind: ObjectKind
    key: str
    before: JSON
    after: JSON


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for a write, and why; empty where nobody said.

    Attributes:
        is_proved: whether the service has verified the actor; what a header claims is not.
    """

    actor: str = ""
    reason: str = ""
    is_proved: bool = False


NOBODY: Final = Origin()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the change log: a change, who made it, when (UTC) and why."""

    revision: int
    at: datetime
    origin: Origin
    change: LoggedChange


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """The result of a unit of writing work, and the revision at which it is visible."""

    result: T
    revision: int


class Reader(ABC):
    """The state at one revision."""

    @abstractmethod
    def revision(self) -> int:
        """Return the number of the newest entry of the change log; 0 when there is none."""

    @abstractmethod
    def context_features(self) -> tuple[str, ...]:
        """List the context features in their order."""

    @abstractmethod
    def find_setting(self, name: str) -> SettingRecord | None:
        """Find a setting by its name or an alias."""

    @abstractmethod
    def settings(self) -> list[SettingRecord]:
        """List all settings, sorted by name (by bytes)."""

    @abstractmethod
    def rules(self, settings: Collection[str] | None = None) -> list[RuleRecord]:
        """List rules by ascending id: of the settings with these canonical names (any number of them), or of all."""

    @abstractmethod
    def find_rule(self, rule_id: int) -> RuleRecord | None:
        """Find a rule by its id, which may be any integer."""

    @abstractmethod
    def find_rule_by_conditions(self, setting: str, conditions: Conditions) -> RuleRecord | None:
        """Find the rule of a setting (canonical name) that has exactly these conditions."""

    @abstractmethod
    def log(self, after_revision: int = 0, limit: int = 1000) -> list[LogEntry]:
        """List the log entries with a revision above ``after_revision``, ascending, at most ``limit`` of them."""


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
    def add_rule(self, setting: str, conditions: Conditions, value: JSON, metadata: Mapping[str, JSON]) -> RuleRecord:
        """Add a rule whose conditions no rule of the setting has yet; return it as stored, with its new id."""

    @abstractmethod
    def replace_rule(self, rule: RuleRecord) -> None:
        """Replace value and metadata of the rule with this id; its setting and conditions never change."""

    @abstractmethod
    def delete_rule(self, rule_id: int) -> None:
        """Delete a rule."""

    @abstractmethod
    def record(self, change: LoggedChange) -> None:
        """Append to the change log. To be called once in a unit of work that changes anything, else not at all."""


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
        """Return everything back. May be called more than once."""

    @abstractmethod
    def check(self) -> None:
        """Do nothing if the storage can be reached, else raise ``StorageUnavailableError``."""

    @abstractmethod
    def read(self, work: Callable[[Reader], T]) -> T:
        """Run a unit of reading work and give its result.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
        """

    @abstractmethod
    def write(self, work: Callable[[Writer], T], origin: Origin = NOBODY) -> Written[T]:
        """Run a unit of writing work, store what it did, and return its result with the revision that shows it.

        If the work recorded nothing, nothing is stored, and the revision is the newest one.

        Raises:
            StorageUnavailableError: the storage cannot be reached. Nothing was stored, unless the connection to a
                database server broke off during the commit: then nobody can tell.
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
