"""Checks what an existing service has, object by object, by the rules that every write here is checked by.

An existing service may hold what cannot be here: defaults of null, values that do not fit, a rule twice (known faults
33, 35, 40 and 41). Such an object is left out, with the reason. An alias that cannot be taken is left out alone: who
uses the setting's name misses nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from heksher.server.api.body import check_json
from heksher.server.api.models import Feature, NewRule, SettingDeclaration, SettingName
from heksher.server.limits import MAX_CONTEXT_FEATURES
from heksher.server.operations.imported import ALIAS, LeftOut
from heksher.server.operations.loading import Contents
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, RuleRecord, SettingRecord
from heksher.server.storage.unit import MAX_ID
from heksher.value_type import ValueType, shorten

_FEATURE: Final[TypeAdapter[str]] = TypeAdapter(Feature)
_NAME: Final[TypeAdapter[str]] = TypeAdapter(SettingName)


class _RefusalError(Exception):
    """An object that cannot be taken; the message is the reason."""


class Intake:
    """Takes objects in: all settings first, then the rules, one after the other.

    Args:
        features: the context features there, in their order.

    Attributes:
        refused: what was not taken, in its order.
    """

    def __init__(self, features: Sequence[str]) -> None:
        self.refused: list[LeftOut] = []
        self._features: list[str] = []
        self._settings: dict[str, SettingRecord] = {}
        self._types: dict[str, ValueType] = {}
        # The settings that each name and each alias stands for there, whether they can be taken or not.
        self._named: set[str] = set()
        self._renamed: dict[str, set[str]] = {}
        self._rules: dict[int, RuleRecord] = {}
        self._conditions: dict[object, int] = {}
        for feature in features:
            self._take(LeftOut(CONTEXT_FEATURES, feature, ""), partial(self._add_feature, feature))

    def add_settings(self, raws: Sequence[Mapping[str, Any]]) -> None:
        """Take the settings, as the existing service lists them: all at once, as one may have a name of another."""
        self._named.update(raw["name"] for raw in raws)
        for raw in raws:
            for alias in _list_texts(raw.get("aliases")):
                self._renamed.setdefault(alias, set()).add(raw["name"])
        for raw in raws:
            self._take(LeftOut(SETTING, raw["name"], ""), partial(self._add_setting, raw))

    def add_rule(self, setting: str, raw: Mapping[str, Any]) -> None:
        """Take a rule of a setting, as the existing service answers a query."""
        self._take(LeftOut(RULE, str(raw.get("rule_id")), "", setting), partial(self._add_rule, setting, raw))

    def make_contents(self, next_rule_id: int | None) -> Contents:
        """Return what was taken.

        Args:
            next_rule_id: the lowest id for new rules; ``None`` for the one above the highest id.
        """
        rules = [rule for _, rule in sorted(self._rules.items())]
        above = rules[-1].rule_id + 1 if rules else 1
        return Contents(tuple(self._features), list(self._settings.values()), rules, max(next_rule_id or 1, above))

    def _take(self, identity: LeftOut, add: Callable[[], None]) -> None:
        try:
            add()
        except _RefusalError as error:
            self.refused.append(LeftOut(identity.kind, identity.key, str(error), identity.setting))

    def _add_feature(self, feature: str) -> None:
        _validate(_FEATURE, feature)
        if feature in self._features:
            raise _RefusalError("it stands twice in the list")
        if len(self._features) >= MAX_CONTEXT_FEATURES:
            raise _RefusalError(f"there are more than {MAX_CONTEXT_FEATURES} context features")
        self._features.append(feature)

    def _add_setting(self, raw: Mapping[str, Any]) -> None:
        given = {**raw, "metadata": raw.get("metadata") or {}, "alias": None}
        declared = _validate(SettingDeclaration, given).to_declaration()
        if declared.default_value is None:
            raise _RefusalError("its default is null, which is a value of no type")
        if not declared.type.accepts(declared.default_value):
            raise _RefusalError(f"its default {_write(declared.default_value)} is no value of its type {declared.type}")
        if unknown := sorted(declared.configurable_features.difference(self._features)):
            raise _RefusalError(f"it is configurable by {unknown}, which are no context features that can be taken")
        if declared.name in self._settings:
            raise _RefusalError("there are two settings with this name")
        self._types[declared.name] = declared.type
        self._settings[declared.name] = SettingRecord(
            name=declared.name,
            type=str(declared.type),
            default_value=declared.default_value,
            configurable_features=declared.configurable_features,
            version=declared.version,
            metadata=declared.metadata,
            aliases=self._take_aliases(declared.name, raw.get("aliases") or []),
        )

    def _take_aliases(self, setting: str, aliases: object) -> frozenset[str]:
        taken: set[str] = set()
        for alias in aliases if isinstance(aliases, list) else [aliases]:
            if alias != setting:
                key = alias if isinstance(alias, str) else _write(alias)
                self._take(LeftOut(ALIAS, key, "", setting), partial(self._add_alias, setting, alias, taken))
        return frozenset(taken)

    def _add_alias(self, setting: str, alias: object, taken: set[str]) -> None:
        if not isinstance(alias, str):
            raise _RefusalError("it is no text")
        name = _validate_alias(alias)
        remedy = f"programs that mean {setting!r} by it have to say {setting!r}"
        if name in self._named:
            raise _RefusalError(f"another setting is called so, and keeps the name: {remedy}")
        if others := self._renamed[name] - {setting}:
            raise _RefusalError(f"it is an alias of setting {min(others)!r}, too: {remedy}")
        taken.add(name)

    def _add_rule(self, setting: str, raw: Mapping[str, Any]) -> None:
        if setting not in self._settings:
            raise _RefusalError("its setting cannot be taken")
        rule_id = self._read_id(raw.get("rule_id"))
        rule = _validate(
            NewRule,
            {
                "setting": setting,
                "feature_values": _read_conditions(raw.get("context_features")),
                "value": raw.get("value"),
                "metadata": raw.get("metadata") or {},
            },
        )
        conditions = rule.feature_values
        if foreign := sorted(conditions.keys() - self._settings[setting].configurable_features):
            raise _RefusalError(f"its setting is not configurable by {foreign}")
        if not self._types[setting].accepts(rule.value):
            raise _RefusalError(f"its value {_write(rule.value)} is no value of the type {self._types[setting]}")
        holder = self._conditions.setdefault((setting, frozenset(conditions.items())), rule_id)
        if holder != rule_id:
            raise _RefusalError(f"rule {holder} has the same conditions")
        self._rules[rule_id] = RuleRecord(rule_id, setting, conditions, rule.value, rule.metadata)

    def _read_id(self, rule_id: object) -> int:
        if not isinstance(rule_id, int) or isinstance(rule_id, bool) or not 0 < rule_id < MAX_ID:
            raise _RefusalError("its id is no whole number from 1 on")
        if rule_id in self._rules:
            raise _RefusalError("there are two rules with this id")
        return rule_id


def _list_texts(given: object) -> list[str]:
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []


def _read_conditions(pairs: object) -> dict[str, object]:
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a feature and a value
        raise _RefusalError("its conditions are no pairs of a context feature and a value")
    conditions = {str(feature): value for feature, value in pairs}
    if len(conditions) < len(pairs):
        raise _RefusalError("it has two conditions on one context feature")
    return conditions


def _validate(model: Any, raw: object) -> Any:
    """Return what a model makes of JSON that a service has sent."""
    _require_json(raw)
    try:
        if isinstance(model, TypeAdapter):
            return model.validate_python(raw)
        return model.model_validate(raw)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise _RefusalError(f"{place}: {fault['msg'].removeprefix('Value error, ')}".removeprefix(": ")) from None


def _validate_alias(alias: str) -> str:
    try:
        return str(_validate(_NAME, alias))
    except _RefusalError as error:
        raise _RefusalError(f"it is no name that a setting can have: {error}") from None


def _require_json(raw: object) -> None:
    if fault := _find_json_fault(raw):
        parts = raw.items() if isinstance(raw, dict) else ()
        place = next((f"{name}: " for name, part in parts if _find_json_fault(part)), "")
        raise _RefusalError(f"{place}{fault}")


def _find_json_fault(raw: Any) -> str:
    """Return what some readers of JSON could not read, in words; ``""`` if there is nothing."""
    try:
        check_json(raw)
    except json.JSONDecodeError as error:
        return error.msg
    return ""


def _write(value: object) -> str:
    return shorten(json.dumps(value))
