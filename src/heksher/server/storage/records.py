"""What a storage holds: settings, rules, and the entries of the change log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from heksher.value_type import JSON

T = TypeVar("T")

# The conditions of a rule: a value for each context feature that it matches on.
Conditions = Mapping[str, str]
# The attributes of an object that a change is about, by name, in JSON.
Fields = Mapping[str, JSON]

# The kinds of objects that are logged. A reader may meet others, which a later version has written.
CONTEXT_FEATURES: Final = "context_features"
SETTING: Final = "setting"
RULE: Final = "rule"


@dataclass(frozen=True, slots=True)
class SettingRecord:
    """A setting as it is stored.

    Attributes:
        name: the canonical name.
        type: in canonical form (``str()`` of a ``ValueType``).
        configurable_features: in no particular order: the order is that of the service's list.
        aliases: earlier names.
        version: ``MAJOR.MINOR`` without leading zeros.
        revision: of its last change; a change of one of its rules is none. The storage sets it, whatever it is given,
            and it makes no difference to equality.
    """

    name: str
    type: str
    default_value: JSON
    configurable_features: frozenset[str]
    version: str
    metadata: Mapping[str, JSON] = field(default_factory=dict)
    aliases: frozenset[str] = frozenset()
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule as it is stored.

    Attributes:
        setting: the canonical name of its setting.
        revision: as that of a setting; that its setting gets another name is no change of a rule.
    """

    rule_id: int
    setting: str
    conditions: Conditions
    value: JSON
    metadata: Mapping[str, JSON] = field(default_factory=dict)
    revision: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """What was changed of one object: a part of a log entry.

    Attributes:
        action: what was done, in the words of the API: ``declare``, ``rename``, ``set value`` ...
        kind, key: the object: a setting's canonical name after the change, a rule's id, or ``""`` for the list of
            context features.
        before, after: of an object that was changed, the fields that differ, and no others; of one that was added or
            deleted, all of them on one side and ``None`` on the other.
        setting: the canonical name that the setting of a rule had; ``""`` for other kinds.
    """

    action: str
    kind: str
    key: str
    before: Fields | None
    after: Fields | None
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for a write, and why.

    Attributes:
        actor: empty where nobody said.
        reason: empty where nobody said.
        is_proved: whether the actor has been authenticated; a name that a request merely claims is not proved.
    """

    actor: str = ""
    reason: str = ""
    is_proved: bool = False


NOBODY: Final = Origin()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the change log: what one unit of work changed, who did it, when and why.

    Attributes:
        at: in UTC.
        stamp: twelve random hexadecimal digits, which tell this entry from another one that got the same number in
            another history of the database.
        size: how many changes the entry has.
        changes: those that were asked for, in the order in which they were made; not always all of them.
    """

    revision: int
    at: datetime
    origin: Origin
    stamp: str
    size: int
    changes: tuple[LoggedChange, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all changes of the entry are here."""
        return len(self.changes) == self.size

    @property
    def change(self) -> LoggedChange:
        """The change of an entry that has one.

        Raises:
            ValueError: there are several, or none is here.
        """
        (change,) = self.changes
        return change


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller of a write knows of an object: the write is refused if that is no longer so.

    Attributes:
        kind, key: the object, as in a ``LoggedChange``; of a setting, any of its names.
        revision: of the object's last change, as the caller knows it.
    """

    kind: str
    key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """The result of a unit of writing work, and the revision at which it is visible."""

    result: T
    revision: int
