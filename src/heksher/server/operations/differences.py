"""The differences between a declaration and the stored setting, and how severe each difference is.

Theory
------
An upgrade changes the stored attributes to the declared ones. A declaration that is older than the stored setting is
*outdated*: that change went from the declared attributes to the stored ones, so directions are reversed, and no
difference is worse than major, because the change has happened already.

Source: docs/reference/compatibility.md, *Declarations and versions*; docs/reference/compatibility.md, *Declare*.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from heksher.server.json_form import JSONObject, sort_features
from heksher.server.operations.value_limits import ValueLimits, have_other_limits
from heksher.server.storage.base import RuleRecord, SettingRecord
from heksher.value_type import JSON, ValueType, json_key, parse_value_type

Level = Literal["minor", "major", "mismatch"]
Attribute = Literal["configurable_features", "type", "name", "default_value", "metadata"]

_LEVELS: tuple[Level, ...] = ("minor", "major", "mismatch")


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: either of an attribute, with the value that the service holds, or described by a message.

    Attributes:
        attribute: ``None`` when there is a message instead.
        message: ``None`` when there is an attribute instead.
    """

    level: Level
    attribute: Attribute | None = None
    latest_value: JSON = None
    message: str | None = None

    def to_json(self) -> JSONObject:
        """Return the difference as in the API's answer."""
        if self.message is not None:
            return {"level": self.level, "message": self.message}
        return {"level": self.level, "attribute": self.attribute, "latest_value": self.latest_value}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an application declares about a setting.

    Attributes:
        alias: another name that the setting may have so far; ``None`` if the declaration has none.
        version: without leading zeros.
    """

    name: str
    configurable_features: frozenset[str]
    type: ValueType
    default_value: JSON
    version: str
    metadata: Mapping[str, JSON]
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A declaration and the stored setting that it is about.

    Attributes:
        order: the service's context features.
        rules: the rules of the setting by ascending id.
    """

    declared: Declaration
    stored: SettingRecord
    order: Sequence[str]
    rules: Sequence[RuleRecord]

    def list_for_upgrade(self) -> tuple[Difference, ...]:
        """Return what the declaration would change, minor differences first."""
        differences = self._collect(
            self._compare_features_for_upgrade, self._compare_type_for_upgrade, self._is_renaming()
        )
        return (*differences, *self._compare_limits_for_upgrade())

    def list_for_outdated(self) -> tuple[Difference, ...]:
        """Return what has changed since the declared version, minor differences first."""
        is_renamed = self.declared.name != self.stored.name
        return self._collect(self._compare_features_for_outdated, self._compare_type_for_outdated, is_renamed)

    def _is_renaming(self) -> bool:
        # An application that still declares an old name does not ask for a renaming.
        return self.declared.alias is not None and self.declared.name != self.stored.name

    def _collect(
        self,
        compare_features: Callable[[], Iterator[Difference]],
        compare_type: Callable[[], Iterator[Difference]],
        is_name_different: bool,
    ) -> tuple[Difference, ...]:
        differences = [*compare_features()]
        if self.declared.type != parse_value_type(self.stored.type):
            differences.extend(compare_type())
        if is_name_different:
            differences.append(Difference("minor", "name", self.stored.name))
        if json_key(self.declared.default_value) != json_key(self.stored.default_value):
            differences.append(Difference("minor", "default_value", self.stored.default_value))
        if json_key(self.declared.metadata) != json_key(self.stored.metadata):
            differences.append(Difference("minor", "metadata", dict(self.stored.metadata)))
        # The sort is stable, so within a level the attributes keep their order.
        return tuple(sorted(differences, key=lambda difference: _LEVELS.index(difference.level)))

    def _compare_features_for_upgrade(self) -> Iterator[Difference]:
        removed = self.stored.configurable_features - self.declared.configurable_features
        in_use = find_features_in_use(removed, self.rules)
        if removed - in_use:
            yield _tell_removal(removed - in_use)
        if self.declared.configurable_features - self.stored.configurable_features:
            yield self._tell_addition()
        if in_use:
            yield Difference("mismatch", message=tell_features_in_use(in_use, self.rules))

    def _compare_features_for_outdated(self) -> Iterator[Difference]:
        if removed := self.declared.configurable_features - self.stored.configurable_features:
            yield _tell_removal(removed)
        if self.stored.configurable_features - self.declared.configurable_features:
            yield self._tell_addition()

    def _compare_type_for_upgrade(self) -> Iterator[Difference]:
        if misfits := find_misfits(self.declared.type, self.rules):
            yield Difference("mismatch", message=f"setting type incompatible with values for rules: {misfits}")
        else:
            yield self._tell_type(is_narrowing=self.declared.type.is_subtype(parse_value_type(self.stored.type)))

    def _compare_type_for_outdated(self) -> Iterator[Difference]:
        yield self._tell_type(is_narrowing=parse_value_type(self.stored.type).is_subtype(self.declared.type))

    def _compare_limits_for_upgrade(self) -> Iterator[Difference]:
        # What was stored under the same limits was checked then, or it is from a service that does not know them.
        if have_other_limits(self.declared.metadata, self.stored.metadata):
            broken = ValueLimits(self.declared.metadata).tell_broken(self.rules)
            if broken is not None:
                yield Difference("mismatch", message=broken)

    def _tell_addition(self) -> Difference:
        latest: list[JSON] = [*sort_features(self.stored.configurable_features, self.order)]
        return Difference("major", "configurable_features", latest)

    def _tell_type(self, *, is_narrowing: bool) -> Difference:
        return Difference("minor" if is_narrowing else "major", "type", self.stored.type)


def find_misfits(value_type: ValueType, rules: Sequence[RuleRecord]) -> list[int]:
    """Return the ids of the rules whose value is not a value of a type (known fault 33)."""
    return [rule.rule_id for rule in rules if not value_type.accepts(rule.value)]


def find_features_in_use(features: Collection[str], rules: Sequence[RuleRecord]) -> frozenset[str]:
    """Return the features among these that a rule matches on."""
    return frozenset(feature for feature in features if any(feature in rule.conditions for rule in rules))


def tell_features_in_use(in_use: Collection[str], rules: Sequence[RuleRecord]) -> str:
    """Return a message about the rules that match on features to be removed."""
    users = [rule.rule_id for rule in rules if any(feature in rule.conditions for feature in in_use)]
    return f"configurable features {sorted(in_use)} are still in use by rules {users}"


def _tell_removal(removed: Collection[str]) -> Difference:
    return Difference("minor", message=f"removal of configurable features {sorted(removed)}")
