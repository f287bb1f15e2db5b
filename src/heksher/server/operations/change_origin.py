"""What objects were before all changes of an entry, which can have several of one object.

Only the last of these says how the entry has left the object, and only the first what was there before it. What is
between was never there for anybody, so whoever finds an object like that finds another change.
"""

from collections.abc import Iterable

from heksher.server.storage.base import RULE, SETTING, Fields, LoggedChange
from heksher.value_type import JSON

# Names a setting under all of its names, a rule, or the list of context features.
ObjectKey = tuple[str, str]


def identify_object(change: LoggedChange) -> ObjectKey:
    """Return what names the object that a change is about."""
    return change.kind, str(change.subject) if change.kind == SETTING else change.key


def find_origins(changes: Iterable[LoggedChange]) -> dict[ObjectKey, Fields | None]:
    """Return of each object the fields that were changed, as they were before; ``None`` of one that was not there.

    Args:
        changes: in their order.
    """
    origins: dict[ObjectKey, dict[str, JSON] | None] = {}
    for change in changes:
        before = None if change.before is None else dict(change.before)
        origin = origins.setdefault(identify_object(change), before)
        if origin is not None and before is not None:
            origin.update({name: field for name, field in before.items() if name not in origin})
    return {**origins}


def list_changeable(kind: str, fields: Fields) -> Fields:
    """Return those fields of an object that can change while it is there."""
    return {name: fields[name] for name in fields if kind != RULE or name in {"value", "metadata"}}
