"""What is written of evaluated settings: a line for each, or of each the whole reason."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heksher.cli.output import note, tell
from heksher.cli.remote.description import (
    describe_conditions,
    describe_region,
    describe_source,
    describe_value,
    write_json,
)
from heksher.cli.text_table import draw_fitting_table

# A setting as the service has evaluated it.
_Found = Mapping[str, Any]

_MAX_SHOWN_VALUES: Final = 3


def tell_values(settings: Mapping[str, _Found]) -> None:
    """Write a table of settings with their values, and what else is possible or what another context has."""
    if not settings:
        note("no settings")
        return
    has_other = any("compared" in found for found in settings.values())
    headings = ["SETTING", "VALUE", "SOURCE", "CONDITIONS"]
    headings += ["OTHER VALUE", "OTHER SOURCE"] if has_other else ["ALSO POSSIBLE"]
    tell(draw_fitting_table(headings, [_make_row(name, found) for name, found in settings.items()]))


def _make_row(name: str, found: _Found) -> list[str]:
    compared = found.get("compared")
    rest = [_list_others(found)] if compared is None else [describe_value(compared["value"]), describe_source(compared)]
    return [name, *_describe(found), *rest]


def _list_others(found: _Found) -> str:
    others = [value for each in found.get("possible", ()) if (value := describe_value(each["value"]))]
    distinct = [value for value in dict.fromkeys(others) if value != describe_value(found["value"])]
    more = ["..."] if len(distinct) > _MAX_SHOWN_VALUES or found.get("has_more_possible") else []
    return ", ".join(distinct[:_MAX_SHOWN_VALUES] + more)


def tell_reasons(settings: Mapping[str, _Found], context: Mapping[str, str], other: Mapping[str, str] | None) -> None:
    """Write why settings have their values, in one context or in two.

    Args:
        settings: as they were evaluated, by name.
        context: the context.
        other: the one to compare with; ``None`` for none.
    """
    texts = []
    for name, found in settings.items():
        texts.append("\n".join(_explain(name, found, context)))
        if other is not None:
            texts.append("\n".join(_explain(name, found["compared"], other)))
    tell("\n\n".join(texts))


def _explain(name: str, found: _Found, context: Mapping[str, str]) -> Iterator[str]:
    place = describe_conditions(context)
    yield f"{name} = {write_json(found['value'])}" + (f"   with {place}" if place else "")
    yield f"{_give_reason(found)}"
    if losing := found.get("losing_rules"):
        rows = [(f"rule {rule['rule_id']}", *_describe_rule(rule), rule["why"]) for rule in losing]
        yield draw_fitting_table(("LOSES", "VALUE", "CONDITIONS", "WHY"), rows)
    if len(possible := found.get("possible", ())) > 1:
        yield "the context leaves something open, so these values are possible:"
        yield draw_fitting_table(("VALUE", "SOURCE", "WHERE", "EXCEPT WHERE"), map(_describe_possible, possible))
        if found["has_more_possible"]:
            yield "... and more: say more of the context"


def _give_reason(found: _Found) -> str:
    rule = found.get("rule")
    if rule:
        return f"rule {rule['rule_id']} wins: {describe_conditions(rule['context_features'])}"
    return (
        "the default: no rule matches" if found["source"] == "default" else "a rule wins, which this token may not read"
    )


def _describe(found: _Found) -> tuple[str, str, str]:
    rule = found.get("rule")
    conditions = describe_conditions(rule["context_features"]) if rule else ""
    return describe_value(found["value"]), describe_source(found), conditions


def _describe_rule(rule: Mapping[str, Any]) -> tuple[str, str]:
    return describe_value(rule["value"]), describe_conditions(rule["context_features"])


def _describe_possible(each: Mapping[str, Any]) -> tuple[str, ...]:
    return describe_value(each["value"]), describe_source(each), *describe_region(each)
