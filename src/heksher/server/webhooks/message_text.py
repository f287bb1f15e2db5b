"""What a message says in words: who has changed what, from what to what, and why."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from heksher.server.json_bytes import encode
from heksher.server.storage.base import CONTEXT_FEATURES, RULE
from heksher.server.storage.proposal_records import PROPOSAL
from heksher.value_type import JSON, shorten

# A channel is no place to read more in, and Slack wants no text above 4,000 characters.
_MAX_LINES: Final = 10
_MAX_LINE_CHARACTERS: Final = 300
_MAX_VALUE_CHARACTERS: Final = 100
_MAX_WORDS_CHARACTERS: Final = 200

# A change as a message has it: see ``ChangeForm.write_change``.
Part = Mapping[str, Any]


def describe_entry(head: Mapping[str, Any], parts: Sequence[Part]) -> str:
    """Say what an entry of the change log has changed.

    Args:
        head: the entry, as ``write_head`` returns it; its size counts all changes that are told of.
        parts: the first of them.
    """
    who = shorten(_join_words(head["actor"] or "somebody"), _MAX_WORDS_CHARACTERS)
    proof = " (not proved)" if head["actor"] and head["actor_kind"] == "nobody" else ""
    reason = f": {shorten(_join_words(head['reason']), _MAX_WORDS_CHARACTERS)}" if head["reason"] else ""
    lines = [shorten(describe_part(part), _MAX_LINE_CHARACTERS) for part in parts[:_MAX_LINES]]
    if left := head["size"] - len(lines):
        lines.append(f"and {left:,} more")
    return "\n".join([f"{who}{proof}, revision {head['revision']}{reason}", *(f"• {line}" for line in lines)])


def describe_part(part: Part) -> str:
    """Say what a change has changed: the object, and its fields before and after."""
    what, before, after = _name(part), part["before"], part["after"]
    if part.get("is_shortened"):
        return f"{what}: {part['action']} (too long to be shown)"
    if part["kind"] == PROPOSAL:
        return f"{what} was applied"
    if before is None:
        return _join(f"{what} was added", _list_values(after))
    if after is None:
        return _join(f"{what} was deleted", _list_values(before))
    fields = [
        f"{name} {_show(before.get(name))} → {_show(after.get(name))}" for name in dict.fromkeys((*before, *after))
    ]
    return _join(what, fields or [part["action"]])


def escape_markup(text: str) -> str:
    """Return a text in which nothing calls anybody, and nothing is a link that shows itself as another one.

    Source: Slack, *Formatting text for app surfaces*, for the three characters that begin all of that there. What
    understands the same format may call somebody by ``@everyone`` alone, and does not where a space without width
    follows the sign.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\N{ZERO WIDTH SPACE}")


def _name(part: Part) -> str:
    if part["kind"] == RULE:
        pairs = part["feature_values"] or []
        conditions = ", ".join(f"{feature} = {value}" for feature, value in pairs)
        return f"rule {part['key']} of {part['setting']}" + (f" ({conditions})" if conditions else "")
    if part["kind"] == CONTEXT_FEATURES:
        return "the context features"
    return f"{part['kind']} {part['key']}"


def _list_values(fields: Mapping[str, JSON]) -> list[str]:
    """Return what people want to know of an object that was added or deleted."""
    return [f"{name} {_show(fields[name])}" for name in ("type", "default_value", "value") if name in fields]


def _join(what: str, fields: Iterable[str]) -> str:
    told = "; ".join(fields)
    return f"{what}: {told}" if told else what


def _show(value: JSON) -> str:
    return shorten(encode(value).decode(), _MAX_VALUE_CHARACTERS)


def _join_words(text: str) -> str:
    return " ".join(text.split())
