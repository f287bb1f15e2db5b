"""What is stored and serves nobody: rules without effect, and what contradicts the limits of values.

Read from the catalog's picture. Nothing here is wrong by itself: a rule without effect may keep a value for the day on
which another rule goes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from heksher.consequences import Behaviour
from heksher.idle_rules import find_idle
from heksher.rule_set import Rule
from heksher.server.catalog.picture import CatalogSetting
from heksher.server.json_form import JSONObject
from heksher.server.operations.value_limits import ValueLimits, find_limits_fault
from heksher.value_type import JSON

NO_EFFECT: Final = "rule without effect"
OUTSIDE_LIMITS: Final = "value outside limits"
UNREADABLE_LIMITS: Final = "unreadable limits"


class Finding(NamedTuple):
    """Something to look at.

    Attributes:
        kind: one of the kinds above.
        setting: the setting's canonical name.
        rule_id: the rule; ``None`` if it is the setting itself, or its default.
        message: what it is, in words.
    """

    kind: str
    setting: str
    rule_id: int | None
    message: str

    def to_json(self) -> JSONObject:
        """Return the finding as it is answered."""
        return {"kind": self.kind, "setting": self.setting, "rule_id": self.rule_id, "message": self.message}


def lint(settings: Iterable[CatalogSetting], order: Sequence[str]) -> Iterator[Finding]:
    """Return what is found in settings, one after another.

    Args:
        settings: the settings with their rules.
        order: the service's context features.
    """
    for setting in settings:
        values = {rule.rule_id: rule.read_value() for rule in setting.rules.values()}
        yield from _find_idle(setting, values, order)
        yield from _find_outside(setting, values)


def _find_idle(setting: CatalogSetting, values: Mapping[int, JSON], order: Sequence[str]) -> Iterator[Finding]:
    rules = [Rule[object](rule.rule_id, rule.conditions, values[rule.rule_id]) for rule in setting.rules.values()]
    for rule in find_idle(Behaviour(rules, setting.record.default_value, order)):
        message = "wherever it decides, the value would be the same without it"
        yield Finding(NO_EFFECT, setting.record.name, rule.rule_id, message)


def _find_outside(setting: CatalogSetting, values: Mapping[int, JSON]) -> Iterator[Finding]:
    name, metadata = setting.record.name, setting.record.metadata
    if fault := find_limits_fault(metadata):
        yield Finding(UNREADABLE_LIMITS, name, None, f"they limit nothing: {fault}")
        return
    limits = ValueLimits(metadata)
    if fault := limits.find_fault(setting.record.default_value):
        yield Finding(OUTSIDE_LIMITS, name, None, f"the default value: {fault}")
    for rule_id, value in values.items():
        if fault := limits.find_fault(value):
            yield Finding(OUTSIDE_LIMITS, name, rule_id, fault)
