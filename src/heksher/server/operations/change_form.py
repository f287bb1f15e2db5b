"""The JSON forms of what the change log has: an entry, with the changes of it that are told."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from heksher.server.json_form import JSONObject
from heksher.server.storage.base import RULE, Conditions, Fields, LogEntry, LoggedChange, Reader
from heksher.value_type import JSON

# What the existing management page writes into the metadata of a rule: who has changed it.
_ADDED_BY = "added_by"


@dataclass(frozen=True, slots=True)
class ToldEntry:
    """What is told as one: an entry of the log, or two that are one change to whoever made them.

    Attributes:
        entry: the newest entry.
        changes: of it, those that are told; not always all.
        size: how many changes there are.
        merged: the revisions of the other entries.
    """

    entry: LogEntry
    changes: tuple[LoggedChange, ...]
    size: int
    merged: tuple[int, ...] = ()

    @property
    def claimed_actor(self) -> str:
        """Who is said to have made the change by what it has written, where nobody else is known to; or empty."""
        if self.entry.origin.actor or self.size != 1:
            return ""
        return find_claim(self.changes[0])


def find_claim(change: LoggedChange) -> str:
    """Return who has made a change of a rule, by the metadata that it has written; empty if they do not say it."""
    metadata = (change.after or {}).get("metadata") if change.kind == RULE else None
    claimed = metadata.get(_ADDED_BY) if isinstance(metadata, dict) else None
    return claimed if isinstance(claimed, str) else ""


def list_changed_rules(changes: Iterable[LoggedChange]) -> set[int]:
    """Return the ids of the rules that some changes are about without having their conditions."""
    return {int(change.key) for change in changes if change.kind == RULE and find_conditions_in(change) is None}


class ChangeForm:
    """Writes entries and changes, and says of rules which conditions they have, also where the log does not.

    Args:
        reader: knows the rules.
        rule_ids: of the rules of which nothing else says it.
    """

    def __init__(self, reader: Reader, rule_ids: Collection[int]) -> None:
        self._order = reader.context_features()
        self._conditions: Mapping[int, Conditions] = reader.find_conditions(rule_ids)

    def write_entry(self, told: ToldEntry) -> JSONObject:
        """Return an entry with its changes as parts."""
        return {**write_head(told), "parts": [self.write_change(change) for change in told.changes]}

    def write_change(self, change: LoggedChange) -> JSONObject:
        """Return a change; of a rule with its conditions, which are ``null`` if they are not known any more."""
        about: JSONObject = {"action": change.action, "kind": change.kind, "key": change.key}
        if change.kind == RULE:
            logged = find_conditions_in(change)
            pairs = self.write_conditions(int(change.key)) if logged is None else logged
            about |= {"setting": change.setting, "feature_values": pairs}
        return {**about, "before": _write_fields(change.before), "after": _write_fields(change.after)}

    def write_conditions(self, rule_id: int) -> JSON:
        """Return the conditions of a rule as pairs in feature order; ``None`` if they are not known any more."""
        conditions = self._conditions.get(rule_id)
        return None if conditions is None else sort_conditions(conditions, self._order)


def write_head(told: ToldEntry) -> JSONObject:
    """Return an entry without its changes."""
    entry, claimed = told.entry, told.claimed_actor
    return {
        "revision": entry.revision,
        "revision_id": str(entry.revision_id),
        "merged": list(told.merged),
        "at": write_time(entry.at),
        "actor": claimed or entry.origin.actor or None,
        "actor_kind": entry.origin.actor_kind,
        "is_from_metadata": bool(claimed),
        "reason": entry.origin.reason or None,
        "is_batch": told.size > 1,
        "size": told.size,
    }


def find_conditions_in(change: LoggedChange) -> JSON:
    """Return the conditions of a rule that a change has; ``None`` if it has none, as they do not change."""
    whole: Fields = change.after if change.before is None else change.before  # type: ignore[assignment]
    return (whole or {}).get("feature_values")


def sort_conditions(conditions: Conditions, order: Sequence[str]) -> JSON:
    """Return conditions as pairs: first those of the features in an order, then those of features that are gone."""
    features = [*(feature for feature in order if feature in conditions), *sorted(conditions.keys() - set(order))]
    return [[feature, conditions[feature]] for feature in features]


def write_time(at: datetime) -> str:
    """Return a time in UTC as RFC 3339 has it, with milliseconds."""
    return at.isoformat(timespec="milliseconds")


def _write_fields(fields: Fields | None) -> JSON:
    return None if fields is None else dict(fields)
