"""The effect of a write: which queries are answered differently since.

Most writes affect the answers to few queries: only those for the same setting, and of these only those whose filters
let the rule through.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, cast

from heksher.server.catalog.picture import OrderedConditions, Picture
from heksher.server.catalog.query import CatalogQuery
from heksher.server.json_form import rule_from_json
from heksher.server.storage.access_records import PERSON, POLICY, SIGNING_KEY, TOKEN
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, Fields, LoggedChange
from heksher.server.storage.proposal_records import PROPOSAL
from heksher.server.storage.webhook_records import WEBHOOK
from heksher.value_type import shorten
from heksher.wire import lets_through


class Effect(NamedTuple):
    """What one write affects.

    Attributes:
        names: all names that the changed setting had and has; ``None`` for all settings.
        conditions: the conditions of the changed rule; ``None`` if the write did not change a rule.
        is_metadata_only: whether only queries that ask for metadata are affected.
    """

    names: frozenset[str] | None
    conditions: OrderedConditions | None = None
    is_metadata_only: bool = False

    def shows_in(self, query: CatalogQuery) -> bool:
        """Return whether the answer to a query may be different now."""
        if self.names is None:
            return True
        if query.names is not None and self.names.isdisjoint(query.name_set):
            return False
        if self.is_metadata_only and not query.include_metadata:
            return False
        return self.conditions is None or query.filters is None or lets_through(query.filters, self.conditions)


# Every answer carries the order of the context features.
EVERYWHERE: Final = Effect(None)

_SETTING_FIELDS: Final = frozenset(
    {"name", "configurable_features", "type", "default_value", "metadata", "aliases", "version"}
)
_RULE_FIELDS: Final = frozenset({"setting", "value", "feature_values", "metadata"})

# The kinds of objects that no query is about.
NEVER_ANSWERED: Final = frozenset({TOKEN, PERSON, SIGNING_KEY, WEBHOOK, POLICY, PROPOSAL})

# When an entry has more changes than this, checking each of them for each query does not pay.
_MAX_EFFECTS: Final = 64


def find_effects(changes: Iterable[LoggedChange], picture: Picture) -> tuple[Effect, ...]:
    """Return the effects of one entry's changes; empty if no query can show them.

    Raises:
        LookupError, TypeError, ValueError: a change is malformed.
    """
    found = dict.fromkeys(effect for change in changes if (effect := find_effect(change, picture)) is not None)
    effects = tuple(found)
    if EVERYWHERE in found:
        return (EVERYWHERE,)
    if len(effects) <= _MAX_EFFECTS:
        return effects
    return (Effect(frozenset().union(*(effect.names for effect in effects if effect.names is not None))),)


def find_effect(change: LoggedChange, picture: Picture) -> Effect | None:
    """Return the effect of a change; ``None`` if no query can show it.

    Args:
        change: a change from the change log.
        picture: a picture from before or after the change. What it no longer contains was renamed or deleted since,
            which has its own effect.

    Raises:
        LookupError, TypeError, ValueError: the change is malformed.
    """
    if change.kind == CONTEXT_FEATURES:
        return EVERYWHERE
    if change.kind == SETTING:
        return _find_setting_effect(change, picture)
    if change.kind == RULE:
        return _find_rule_effect(change, picture)
    if change.kind in NEVER_ANSWERED:
        return None
    raise ValueError(f"the change log has an object of the unknown kind {shorten(repr(change.kind))}: {change.key}")


def shows_any(effects: Iterable[Effect], query: CatalogQuery) -> bool:
    """Return whether any of the effects shows in the answer to a query."""
    return any(effect.shows_in(query) for effect in effects)


def _find_setting_effect(change: LoggedChange, picture: Picture) -> Effect | None:
    fields = _list_sides(change, _SETTING_FIELDS)
    if not any(name in side for side in fields for name in ("name", "aliases", "default_value")):
        return None
    written = {name for side in fields for name in _list_names(side)}
    return Effect(frozenset({change.key, *written}) | _find_names(change.key, picture))


def _find_rule_effect(change: LoggedChange, picture: Picture) -> Effect:
    _list_sides(change, _RULE_FIELDS)
    names = _find_names(change.setting, picture) or frozenset({change.setting})
    whole = change.after if change.before is None else change.before if change.after is None else None
    if whole is not None:
        return Effect(names, tuple(rule_from_json(int(change.key), whole).conditions.items()))
    setting = picture.settings.get(picture.names.get(change.setting, change.setting))
    rule = None if setting is None else setting.rules.get(int(change.key))
    is_metadata_only = change.after is not None and change.after.keys() == {"metadata"}
    return Effect(names, None if rule is None else rule.conditions, is_metadata_only)


def _list_sides(change: LoggedChange, known: frozenset[str]) -> list[Fields]:
    """Return the fields before and after a change, as far as they exist, if all of them are known."""
    sides = [side for side in (change.before, change.after) if side is not None]
    if not sides or any(side.keys() - known for side in sides):
        raise ValueError(f"the change log has a change of {change.kind} {shorten(repr(change.key))} with odd fields")
    return sides


def _find_names(name: str, picture: Picture) -> frozenset[str]:
    setting = picture.settings.get(name) or picture.settings.get(picture.names.get(name, name))
    return frozenset() if setting is None else setting.all_names


def _list_names(fields: Fields) -> Iterator[str]:
    name, aliases = fields.get("name"), fields.get("aliases", [])
    if isinstance(name, str):
        yield name
    yield from cast("list[str]", aliases)
