"""The records of a storage: settings, rules, and the entries of the change log."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.access.grants import EVERYTHING, Permission
from heksher.server.access.principal import Kind
from heksher.value_type import JSON

T = TypeVar("T")

# The conditions of a rule: a value for each context feature that it matches on.
Conditions = Mapping[str, str]
# What is unique to a rule: the canonical name of its setting, and its conditions.
RuleKey = tuple[str, frozenset[tuple[str, str]]]
# The attributes of a changed object by name, in JSON.
Fields = Mapping[str, JSON]

# What an actor is. Of nobody there is only a name that a request claims, if any. Somebody is a token or a person, and
# entries of before schema version 0006 do not say which.
ActorKind = Literal[Kind, "somebody"]

# The kinds of logged objects. Readers may find other kinds, written by a later version.
CONTEXT_FEATURES: Final = "context_features"
SETTING: Final = "setting"
RULE: Final = "rule"

# An entry with more changes is not kept in memory while it is written.
MAX_HANDED_CHANGES: Final = 1000
# So many settings a page of those that were changed has at most.
MAX_SUBJECTS: Final = 100


@dataclass(frozen=True, slots=True)
class SettingRecord:
    """A setting as stored.

    Attributes:
        name: the canonical name.
        type: the type in canonical form (``str()`` of a ``ValueType``).
        configurable_features: a set without order; the order is that of the service's list.
        aliases: the earlier names.
        version: ``MAJOR.MINOR`` without leading zeros.
        revision: the revision of its last change, not counting changes of its rules. The storage sets it and ignores
            the value that callers pass; it does not count for equality.
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
    """A rule as stored.

    Attributes:
        setting: the canonical name of its setting.
        revision: as for a setting; renaming its setting does not change a rule.
    """

    rule_id: int
    setting: str
    conditions: Conditions
    value: JSON
    metadata: Mapping[str, JSON] = field(default_factory=dict)
    revision: int = field(default=0, compare=False)


class RuleOfSetting(NamedTuple):
    """A rule, with what its setting demands of its value.

    Attributes:
        type: of the setting, as in its record.
        setting_metadata: the metadata of the setting.
    """

    rule: RuleRecord
    type: str
    setting_metadata: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change of one object: a part of a log entry.

    Attributes:
        action: what was done, in the words of the API: ``declare``, ``rename``, ``set value`` ...
        kind, key: the object: a setting's canonical name after the change, a rule's id, or ``""`` for the list of
            context features.
        before, after: for a changed object, only the fields that differ; for an added or deleted one, all fields on one
            side and ``None`` on the other.
        setting: for a rule, the canonical name that its setting had; ``""`` for other kinds.
        subject: the number of the setting, or of the rule's, under all names that it ever has; ``None`` for other
            kinds. The storage sets it when the change is read, and ignores the value that callers pass; it does not
            count for equality.
    """

    action: str
    kind: str
    key: str
    before: Fields | None
    after: Fields | None
    setting: str = ""
    subject: int | None = field(default=None, compare=False)

    @property
    def is_deletion(self) -> bool:
        """Whether the object is gone since."""
        return self.before is not None and self.after is None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who requested a write, why, and what they may do.

    Attributes:
        actor: empty if unknown.
        reason: empty if not given.
        actor_kind: what the actor is; with the name it tells who it is for ever, for a name can be given again.
        grants: what operations check, when they do; the log does not keep it, nor the following.
        is_reviewed: whether no policy holds back what is written, as a second person has approved of it, or none needs.
        is_forced: whether an admin does without a second person where a policy demands one.
    """

    actor: str = ""
    reason: str = ""
    actor_kind: ActorKind = "nobody"
    grants: Permission = field(default=EVERYTHING, compare=False)
    is_reviewed: bool = field(default=False, compare=False)
    is_forced: bool = field(default=False, compare=False)


NOBODY: Final = Origin()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the change log: what one unit of work changed, who requested it, when and why.

    Attributes:
        at: the time in UTC.
        stamp: twelve random hexadecimal digits that distinguish this entry from one that got the same number in another
            history of the database.
        size: the number of changes of the entry.
        changes: the requested changes in the order in which they were made; not always all of them.
    """

    revision: int
    at: datetime
    origin: Origin
    stamp: str
    size: int
    changes: tuple[LoggedChange, ...]

    @property
    def revision_id(self) -> RevisionId:
        """The number and the stamp."""
        return RevisionId(self.revision, self.stamp)

    @property
    def is_whole(self) -> bool:
        """Whether this has all changes of the entry."""
        return len(self.changes) == self.size

    @property
    def change(self) -> LoggedChange:
        """The change of an entry that has exactly one.

        Raises:
            ValueError: the entry has several changes, or its change was not read.
        """
        (change,) = self.changes
        return change


@dataclass(frozen=True, slots=True)
class Selection:
    """Which changes of the log are asked for: those of which all of this holds.

    Attributes:
        after_revision: only of entries above this revision; any integer.
        setting: only changes of this setting and its rules: any name of a setting, or any canonical name that a deleted
            one had. ``None`` for all.
        rule_id: only changes of the rule with this id; any integer. ``None`` for all.
        actor: only of entries with exactly this actor; ``None`` for all.
        kinds: only changes of objects of these kinds, which may be any texts; ``None`` for all.
        subjects: only changes of the settings with these numbers, as ``Reader.changed_subjects`` returns them, and
            their rules; ``None`` for all.
    """

    after_revision: int = 0
    setting: str | None = None
    rule_id: int | None = None
    actor: str | None = None
    kinds: Collection[str] | None = None
    subjects: Collection[int] | None = None


@dataclass(frozen=True, slots=True)
class LastChange:
    """Who made the last change of an object, when, and by which entry of the change log.

    Attributes:
        revision, stamp: of the entry; together they are the tag of the object.
        at: the time in UTC.
        actor, actor_kind: as of an ``Origin``.
        action: of the entry's first change.
    """

    revision: int
    at: datetime
    actor: str
    actor_kind: ActorKind
    stamp: str
    action: str


@dataclass(frozen=True, slots=True)
class ForgottenObject:
    """A setting or rule that was deleted by an entry which was removed from the log.

    Attributes:
        setting_id: the number of the setting, or of the rule's; ``None`` if the entry had none.
        action: of its deletion.
    """

    setting_id: int | None
    action: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller of a write knows of an object: the write is refused if that no longer holds.

    Attributes:
        kind, key: the object, as in a ``LoggedChange``; for a setting, any of its names.
        last_changes: what the object's last change may be; ``None`` for any, so that the object has to be there.
    """

    kind: str
    key: str
    last_changes: frozenset[RevisionId] | None


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """The result of a unit of writing work, and the revision at which it is visible.

    Attributes:
        revision: the number of the log entry that makes it visible; 0 if the log is empty.
        stamp: the stamp of that entry; empty if the log is. It does not count for equality.
        entry: what the unit has appended to the log, for whoever follows it; ``None`` if that is nothing, or more than
            ``MAX_HANDED_CHANGES``.
        previous_stamp: the stamp of the entry before that one; ``None`` if there is none, or if nothing was appended.
        is_change: whether the unit has changed anything.
    """

    result: T
    revision: int
    stamp: str = field(default="", compare=False)
    entry: LogEntry | None = field(default=None, compare=False)
    previous_stamp: str | None = field(default=None, compare=False)
    is_change: bool = field(default=False, compare=False)

    @property
    def revision_id(self) -> RevisionId:
        """The number and the stamp."""
        return RevisionId(self.revision, self.stamp)


def make_rule_key(setting: str, conditions: Conditions) -> RuleKey:
    """Return what is unique to a rule with these conditions of a setting (canonical name)."""
    return setting, frozenset(conditions.items())
