"""What a write shows in: which queries are answered otherwise since.

Most writes show in the answers to few queries: of those that are about the same setting, only in those whose filters
let the rule through.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias, cast

from heksher.server.catalog.picture import OrderedConditions, Picture
from heksher.server.catalog.query import CatalogQuery
from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject, rule_from_json, setting_from_json
from heksher.server.storage.base import LoggedChange
from heksher.value_type import JSON
from heksher.wire import lets_through

_Form: TypeAlias = "JSONObject | None"


class Effect(NamedTuple):
    """What one write shows in.

    Attributes:
        names: the names of the setting that was written, all that it had and has; ``None`` for all settings.
        conditions: those of the rule that was written; ``None`` if it was not a rule.
        is_metadata_only: whether it shows only where metadata is asked for.
    """

    names: frozenset[str] | None
    conditions: OrderedConditions | None = None
    is_metadata_only: bool = False

    def shows_in(self, query: CatalogQuery) -> bool:
        """Return whether the answer to a query can be another one now."""
        if self.names is None:
            return True
        if query.names is not None and self.names.isdisjoint(query.name_set):
            return False
        if self.is_metadata_only and not query.include_metadata:
            return False
        return self.conditions is None or query.filters is None or lets_through(query.filters, self.conditions)


# Every answer carries the order of the context features.
EVERYWHERE: Final = Effect(None)


def find_effect(change: LoggedChange, picture: Picture) -> Effect | None:
    """Find what a change shows in; ``None`` if it is nothing that any query is answered with.

    Args:
        change: from the change log.
        picture: one that has the setting of a rule that was changed, if that setting exists.
    """
    before, after = cast("_Form", change.before), cast("_Form", change.after)
    if change.kind == "context_features":
        return EVERYWHERE
    if change.kind == "setting":
        return _find_setting_effect(before, after)
    return _find_rule_effect(int(change.key), before, after, picture)


def shows_any(effects: Iterable[Effect], query: CatalogQuery) -> bool:
    """Return whether any of some effects shows in the answer to a query."""
    return any(effect.shows_in(query) for effect in effects)


def _find_setting_effect(before: _Form, after: _Form) -> Effect | None:
    records = [setting_from_json(state) for state in (before, after) if state is not None]
    if len(records) == 2:  # noqa: PLR2004 - it was there and still is
        old, new = records
        has_same_names = old.name == new.name and old.aliases == new.aliases
        if has_same_names and _is_same(old.default_value, new.default_value):
            return None
    return Effect(frozenset().union(*({record.name, *record.aliases} for record in records)))


def _find_rule_effect(rule_id: int, before: _Form, after: _Form, picture: Picture) -> Effect:
    rules = [rule_from_json(rule_id, state) for state in (before, after) if state is not None]
    rule = rules[-1]
    setting = picture.settings.get(rule.setting)
    return Effect(
        # A setting that is not there any more was renamed or deleted since, which has an effect of its own.
        names=frozenset({rule.setting}) if setting is None else setting.all_names,
        conditions=tuple(rule.conditions.items()),
        is_metadata_only=len(rules) == 2 and _is_same(rules[0].value, rules[1].value),  # noqa: PLR2004 - as above
    )


def _is_same(value: JSON, other: JSON) -> bool:
    # As it is written, in the order of its keys: what is equal to Python, or as JSON, can be other bytes.
    return encode(value) == encode(other)
