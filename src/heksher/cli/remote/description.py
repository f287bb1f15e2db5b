"""What an answer is about, in words: values, conditions, changes and who made them."""

import json
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from heksher.cli.text_table import make_printable
from heksher.value_type import shorten

# A value in a table; whoever wants more of it asks for JSON.
_MAX_VALUE_CHARACTERS: Final = 100
# What people want to know of an object that was added or deleted; of a rule that is its value.
_TOLD_FIELDS: Final = ("value", "default_value")

# The kinds of objects of which it is told what was there before and after.
_TOLD_KINDS: Final = frozenset({"setting", "rule", "context_features"})

# The headings of a table of changes whose rows are those of ``list_parts``.
PART_HEADINGS: Final = ("WHAT", "CONDITIONS", "CHANGE")


def write_json(value: Any) -> str:
    """Write a value as JSON in one line, in which there is nothing that a terminal would take for a command."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def describe_value(value: Any) -> str:
    """Write a value as JSON, shortened."""
    return shorten(write_json(value), _MAX_VALUE_CHARACTERS)


def describe_conditions(conditions: Mapping[str, str] | Iterable[Iterable[str]]) -> str:
    """Write conditions as the commands take them: ``environment=dev user='Ada Lovelace'``."""
    pairs = conditions.items() if isinstance(conditions, Mapping) else conditions
    return " ".join(f"{feature}={_quote(make_printable(value))}" for feature, value in pairs)


def _quote(value: str) -> str:
    # FEATURE= says that there is no value.
    return shlex.quote(value) if value else ""


def describe_source(value: Mapping[str, Any]) -> str:
    """Say what a value comes from: ``rule 7``, or ``default``."""
    # Who may evaluate, and not read, is not told which rule.
    rule = value.get("rule")
    return f"rule {rule['rule_id']}" if rule else str(value["source"])


def describe_region(region: Mapping[str, Any]) -> tuple[str, str]:
    """Say where something holds, and where in there it does not."""
    more = ["..."] if region["has_more_except"] else []
    exceptions = " or ".join([*map(describe_conditions, region["except"]), *more])
    return describe_conditions(region["conditions"]) or "everywhere", exceptions


def describe_time(at: str | None) -> str:
    """Write a time of an answer, to the second, in UTC as all of them are; ``never`` if there is none."""
    return "never" if at is None else f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}"


def describe_actor(change: Mapping[str, Any]) -> str:
    """Say who has made a change, and whether that is more than a claim."""
    if not change["actor"]:
        return "unknown"
    proof = " (not proved)" if change["actor_kind"] == "nobody" else ""
    return f"{make_printable(change['actor'])}{proof}"


def list_parts(parts: Iterable[Mapping[str, Any]], size: int) -> list[tuple[str, str, str]]:
    """Return what was changed, a row for each part.

    Args:
        parts: the changes of a write, or the first of them.
        size: how many there are.
    """
    rows = [(_name_object(part), describe_conditions(part.get("feature_values") or ()), _tell(part)) for part in parts]
    if left := size - len(rows):
        rows.append((f"... and {left:,} more", "", ""))
    return rows


def describe_sides(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Say what has become of an object, by its fields that differ; empty if none does."""
    if before is None or after is None:
        fields, word = (after, "added") if before is None else (before, "deleted")
        told = next((describe_value(fields[name]) for name in _TOLD_FIELDS if name in (fields or {})), "")  # type: ignore[index]  # there are fields on one side
        return f"{word}: {told}" if told else word
    names = dict.fromkeys((*before, *after))
    return "; ".join(
        f"{name.replace('_', ' ')} {describe_value(before.get(name))} -> {describe_value(after.get(name))}"
        for name in names
    )


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Say how many there are of something: ``1 rule``, ``2,000 rules``."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def _tell(part: Mapping[str, Any]) -> str:
    # Of what settings have nothing to do with, the log has what was done, and little more.
    sides = describe_sides(part["before"], part["after"]) if part["kind"] in _TOLD_KINDS else ""
    return sides or str(part["action"])


def _name_object(part: Mapping[str, Any]) -> str:
    match part["kind"]:
        case "rule":
            return name_rule(part["key"], part["setting"])
        case "context_features":
            return "context features"
        case kind:
            return make_printable(f"{kind} {part['key']}")


def name_rule(rule_id: object, setting: object) -> str:
    """Name a rule; one that would be new has no number yet."""
    return f"rule of {setting}" if rule_id is None else f"rule {rule_id} of {setting}"
