"""From what the service says of a setting to an ``Evaluation``: conversion, coercion, validation.

Each value is handled on its own. One that is rejected (it cannot be converted, or ``on_coerce`` or a validator refused
it) affects neither the other rules of its setting nor any other setting: if the same rule had an accepted value before,
that one stays, else the rule is left out. A rejected default is replaced by the last accepted one, else by the local
one.
"""

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar, cast

from heksher.clients.conversation.response_reader import QueriedSetting
from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.rule_set import Rule, RuleSet
from heksher.setting import QueriedRule, Setting
from heksher.value_type import JSON, shorten

T = TypeVar("T")


class Remark(NamedTuple):
    """Something that operators should know about a setting, such as that a value was coerced or rejected.

    Attributes:
        text: begins with the words that the existing client logs in this case, which operators may match on.
        extra: what a log record has besides, under the names that the existing client uses.
        is_rejection: whether a declaration or a value was not accepted.

    Source: docs/reference/log-messages.md.
    """

    level: int
    text: str
    extra: Mapping[str, object] = MappingProxyType({})
    is_rejection: bool = False


class ConvertedSetting(NamedTuple, Generic[T]):
    """What became of the service's answer for one setting.

    Attributes:
        is_complete: whether every value was accepted.
    """

    evaluation: Evaluation[T]
    remarks: tuple[Remark, ...]
    is_complete: bool


class _RejectedError(Exception):
    """A value is not accepted."""


def convert_setting(
    setting: Setting[T], queried: QueriedSetting, feature_order: Sequence[str], context: ClientContext
) -> ConvertedSetting[T]:
    """Make the evaluation of a setting from what a query says of it."""
    return _Converter(setting).convert_setting(queried, feature_order, context)


class _Converter(Generic[T]):
    """The conversion of one setting; it collects the remarks."""

    def __init__(self, setting: Setting[T]) -> None:
        self._setting = setting
        self._previous = setting._received
        self._known_rules = {rule.rule_id: rule for rule in self._previous.rules.rules}
        self._remarks: list[Remark] = []
        self._is_complete = True

    def convert_setting(
        self, queried: QueriedSetting, feature_order: Sequence[str], context: ClientContext
    ) -> ConvertedSetting[T]:
        rules = [accepted for rule in queried.rules if (accepted := self._receive_rule(rule)) is not None]
        self._note_unreachable(rules, context)
        default_value, is_server_default = self._receive_default(queried)
        evaluation = Evaluation(
            RuleSet(self._setting.name, rules, feature_order),
            default_value,
            "server default" if is_server_default else "local default",
            context,
            tuple(self._setting.configurable_features),
        )
        return ConvertedSetting(evaluation, tuple(self._remarks), self._is_complete)

    def _receive_rule(self, rule: Rule[JSON]) -> Rule[T] | None:
        try:
            value = self._accept(rule.value, rule)
        except _RejectedError:
            known = self._known_rules.get(rule.rule_id)
            # In any order of the conditions, which is the order of the features and may have changed.
            return known if known is not None and set(known.conditions) == set(rule.conditions) else None
        # The unconverted rule is kept to compare later answers with; most values need no second rule object.
        is_as_it_came = value is rule.value
        return cast("Rule[T]", rule) if is_as_it_came else Rule(rule.rule_id, rule.conditions, value)

    def _receive_default(self, queried: QueriedSetting) -> tuple[T, bool]:
        if not queried.has_default:
            return self._setting.default_value, False
        try:
            return self._accept(queried.default_value, None), True
        except _RejectedError:
            return self._previous.default_value, self._previous.is_server_default

    def _accept(self, raw: JSON, rule: Rule[JSON] | None) -> T:
        queried_rule = None if rule is None else QueriedRule(rule.rule_id, rule.conditions)
        try:
            value = self._convert(raw, queried_rule)
            for validator in self._setting.validators:
                value = validator(value, queried_rule, self._setting)
        # Validators and on_coerce belong to the program. They are meant to refuse with a TypeError, but whatever they
        # raise must affect this value only.
        except Exception as error:
            self._is_complete = False
            self._note_rejection(queried_rule, raw, error)
            raise _RejectedError from error
        return value

    def _convert(self, raw: JSON, rule: QueriedRule | None) -> T:
        conversion = self._setting.type.convert_from_heksher(raw)
        if not conversion.coercions:
            return conversion.value
        coercions = "; ".join(conversion.coercions)
        if self._setting.on_coerce is None:
            raise TypeError(f"the setting takes no coerced values: {coercions}")
        value: T = self._setting.on_coerce(conversion.value, raw, conversion.coercions, rule, self._setting)
        self._note_coercion(rule, raw, conversion.coercions)
        return value

    def _note_rejection(self, rule: QueriedRule | None, raw: JSON, error: Exception) -> None:
        text = f"{self._describe(rule, raw)}, was rejected: {error!r}"
        if rule is None:
            text = f"setting default value discarded default due to conversion error: {text}"
            self._remarks.append(Remark(logging.WARNING, text, is_rejection=True))
        else:
            text = f"setting update rejected rules: {text}"
            self._remarks.append(Remark(logging.WARNING, text, {"rejected_rules": [rule.rule_id]}, is_rejection=True))

    def _note_unreachable(self, rules: Sequence[Rule[T]], context: ClientContext) -> None:
        """Note the rules that never match, as no read can name a feature that they have a condition on."""
        reachable = {*self._setting.configurable_features, *context.defaults}
        unreachable: dict[str, list[int]] = {}
        for rule in rules:
            for feature, _ in rule.conditions:
                if feature not in reachable:
                    unreachable.setdefault(feature, []).append(rule.rule_id)
        for feature, rule_ids in sorted(unreachable.items()):
            text = (
                f"setting update rejected rules: setting {self._setting.name} is not configurable by {feature} in this"
                " program, and the client has no default for it, so rules with a condition on it match nothing:"
                f" {shorten(', '.join(map(str, rule_ids)))}"
            )
            self._remarks.append(Remark(logging.WARNING, text, {"rejected_rules": rule_ids}, is_rejection=True))

    def _note_coercion(self, rule: QueriedRule | None, raw: JSON, coercions: Sequence[str]) -> None:
        text = f"{self._describe(rule, raw)}, was coerced: {'; '.join(coercions)}"
        extra: dict[str, object] = {"coercions": list(coercions)}
        # A default reaches every context that no rule matches, a rule only those that it was made for.
        if rule is None:
            text = f"setting default value coerced to local value: {text}"
            self._remarks.append(Remark(logging.WARNING, text, {**extra, "new_default": raw}))
        else:
            self._remarks.append(Remark(logging.INFO, f"setting update coerced values: {text}", extra))

    def _describe(self, rule: QueriedRule | None, raw: JSON) -> str:
        source = "the default value" if rule is None else f"the value of rule {rule.rule_id}"
        return f"setting {self._setting.name}: {source}, {shorten(repr(raw))}"
