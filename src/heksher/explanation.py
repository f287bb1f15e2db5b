"""Why a setting has its value: what ``Setting.explain`` returns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from heksher.context_value import find_value_fault, is_plain_value, write_value
from heksher.record import Record, to_json
from heksher.rule_set import Rule
from heksher.value_type import JSON
from heksher.wording import show_value

T_co = TypeVar("T_co", covariant=True)

Source = Literal["rule", "server default", "local default"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation(Record, Generic[T_co]):
    """Why a setting has its value in a context. ``str()`` returns it as text for people.

    Attributes:
        setting: the setting's name.
        context: what the rules were compared with: the arguments, completed with the client's defaults. A value that is
            no text stands here as it was given, and matches no rule.
        value: what ``get`` returns.
        source: where the value comes from.
        rule: the rule that decides; ``None`` when the value is a default.
        losing_rules: the other rules that match, the next in priority first.
    """

    setting: str
    context: Mapping[str, str]
    value: T_co
    source: Source
    rule: Rule[T_co] | None
    losing_rules: tuple[Rule[T_co], ...]

    def as_dict(self) -> dict[str, JSON]:
        """Return all fields in a form that ``json.dumps`` takes; rules as objects, whose conditions are an object.

        Of a value of the context that is no text, it is the ``repr()``.
        """
        rule = None if self.rule is None else _rule_to_json(self.rule)
        # Not super(): slots make the class anew.
        return {
            **Record.as_dict(self),
            "context": {feature: _show_given(value) for feature, value in self.context.items()},
            "rule": rule,
            "losing_rules": [_rule_to_json(rule) for rule in self.losing_rules],
        }

    def __str__(self) -> str:
        context = _write_pairs(self.context.items())
        lines = [f"{self.setting} = {self.value!r}   in the context {context or '(empty)'}"]
        lines.append(f"  because of {self.source if self.rule is None else _describe(self.rule)}")
        lines += [f"  which wins over {_describe(rule)}" for rule in self.losing_rules]
        return "\n".join(lines)


def _show_given(value: object) -> str:
    return value if isinstance(value, str) else show_value(value)


def _describe_given(value: object) -> str:
    if not isinstance(value, str):
        return f"{show_value(value)} (no text, never matches)"
    fault = None if is_plain_value(value) else find_value_fault(value)
    return write_value(value) if fault is None else f"{write_value(value)} (no rule can have it: {fault})"


def _rule_to_json(rule: Rule[object]) -> JSON:
    return {"rule_id": rule.rule_id, "conditions": dict(rule.conditions), "value": to_json(rule.value)}


def _describe(rule: Rule[object]) -> str:
    return f"rule {rule.rule_id} ({_write_pairs(rule.conditions)}): {rule.value!r}"


def _write_pairs(pairs: Iterable[tuple[str, object]]) -> str:
    return ", ".join(f"{feature}={_describe_given(value)}" for feature, value in pairs)
