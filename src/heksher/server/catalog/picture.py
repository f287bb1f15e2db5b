"""All settings and rules at one revision, in the form that queries are answered from.

A picture and everything in it is immutable. The next picture shares whatever did not change.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from heksher.revision_id import RevisionId
from heksher.server.catalog.access_picture import AccessPicture
from heksher.server.json_bytes import decode, encode
from heksher.server.storage.base import Reader, RuleRecord, SettingRecord
from heksher.value_type import JSON

# The conditions of a rule, in the service's feature order.
OrderedConditions = tuple[tuple[str, str], ...]

# What stands between the parts of the JSON of settings and rules, as the answer to a query has it.
_DEFAULT: Final = b':{"default_value":'
_RULES: Final = b',"rules":['
_VALUE: Final = b',"value":'
_CONDITIONS: Final = b',"context_features":'

_NO_METADATA = b"{}"
_NO_ACCESS = AccessPicture()


class CatalogRule(NamedTuple):
    """A rule.

    Attributes:
        head: the rule's JSON in the answer to a query, without its end: ``}`` or the metadata.
        metadata: the metadata as JSON.
        revision: the revision of its last change.
    """

    rule_id: int
    conditions: OrderedConditions
    head: bytes
    metadata: bytes
    revision: int

    @property
    def value_json(self) -> bytes:
        """The value as JSON."""
        # A text inside the value or the conditions has no bare quotation marks, so neither can be met there by mistake.
        return self.head[self.head.index(_VALUE) + len(_VALUE) : self.head.rindex(_CONDITIONS)]

    def read_value(self) -> JSON:
        """Return the value, which is stored only as JSON."""
        value: JSON = json.loads(self.value_json)
        return value


class CatalogSetting(NamedTuple):
    """A setting and its rules.

    Attributes:
        record: its attributes.
        rules: its rules by id, ascending.
        head: the setting's JSON in the answer to a query, up to its list of rules.
    """

    record: SettingRecord
    rules: Mapping[int, CatalogRule]
    head: bytes

    @property
    def default_json(self) -> bytes:
        """The default value as JSON."""
        return self.head[self.head.index(_DEFAULT) + len(_DEFAULT) : -len(_RULES)]

    @property
    def all_names(self) -> frozenset[str]:
        """The canonical name and the aliases."""
        return self.record.aliases | {self.record.name}


@dataclass(frozen=True, slots=True)
class Picture:
    """All settings and rules at one revision.

    Attributes:
        feature_order: the service's context features.
        settings: the settings by canonical name, sorted.
        names: the canonical name for each name and alias.
        features_revision: the revision of the last change of the list of context features.
        stamp: the stamp of the revision's entry in the log; empty at revision 0.
        access: who may do what.
    """

    revision: int
    feature_order: tuple[str, ...]
    settings: Mapping[str, CatalogSetting]
    names: Mapping[str, str]
    features_revision: int = 0
    stamp: str = ""
    access: AccessPicture = _NO_ACCESS

    @property
    def revision_id(self) -> RevisionId:
        """The number and the stamp of the revision."""
        return RevisionId(self.revision, self.stamp)

    def count_rules(self) -> int:
        """Return the number of rules of all settings."""
        return sum(len(setting.rules) for setting in self.settings.values())


def take_picture(reader: Reader) -> Picture:
    """Return the picture of the state that a reader sees."""
    order = reader.context_features()
    rules: defaultdict[str, dict[int, CatalogRule]] = defaultdict(dict)
    for rule in reader.rules():
        rules[rule.setting][rule.rule_id] = enter_rule(rule, order)
    settings = [enter_setting(record, rules.get(record.name, {})) for record in reader.settings()]
    revision, stamp = reader.revision_id()
    picture = make_picture(revision, order, settings, reader.features_revision(), stamp)
    return replace(picture, access=AccessPicture(reader.access()))


def make_picture(
    revision: int,
    order: tuple[str, ...],
    settings: Iterable[CatalogSetting],
    features_revision: int = 0,
    stamp: str = "",
) -> Picture:
    """Return a picture of settings that may come in any order."""
    in_order = sorted(settings, key=lambda setting: setting.record.name)
    names = {name: setting.record.name for setting in in_order for name in setting.all_names}
    by_name = {setting.record.name: setting for setting in in_order}
    return Picture(revision, order, by_name, names, features_revision, stamp)


def enter_setting(record: SettingRecord, rules: Mapping[int, CatalogRule]) -> CatalogSetting:
    """Return the form that a setting has in a picture."""
    head = encode(record.name) + _DEFAULT + encode(record.default_value) + _RULES
    return CatalogSetting(record, rules, head)


def enter_rule(rule: RuleRecord, order: Sequence[str]) -> CatalogRule:
    """Return the form that a rule has in a picture."""
    conditions = tuple([(feature, rule.conditions[feature]) for feature in order if feature in rule.conditions])
    head = b'{"rule_id":%d' % rule.rule_id + _VALUE + encode(rule.value) + _CONDITIONS + encode(conditions)
    metadata = encode(rule.metadata) if rule.metadata else _NO_METADATA
    return CatalogRule(rule.rule_id, conditions, head, metadata, rule.revision)


def restore_rule(setting: str, rule: CatalogRule) -> RuleRecord:
    """Return the record that ``enter_rule`` was called with for a rule of a setting."""
    return RuleRecord(
        rule.rule_id, setting, dict(rule.conditions), rule.read_value(), decode(rule.metadata), rule.revision
    )


def reorder_rule(rule: CatalogRule, order: Sequence[str]) -> CatalogRule:
    """Return a rule with its conditions in another order of the context features."""
    return enter_rule(restore_rule("", rule), order)
