"""What a change does to the values that settings have: told exactly, and only as far as anybody reads it.

Source: the theory is that of ``heksher.consequences``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar, cast

from heksher.consequences import Behaviour, Consequence, Winner, find_consequences
from heksher.rule_set import Rule
from heksher.server.catalog.picture import CatalogSetting, Picture
from heksher.server.json_form import JSONObject
from heksher.server.storage.base import SETTING, LoggedChange
from heksher.value_type import JSON, json_key

T = TypeVar("T")

# Of one effect.
MAX_EXCEPTIONS: Final = 20
MAX_EXAMPLES: Final = 20

# The value of a setting that is not there. It equals no JSON.
_NOTHING: Final = object()


def find_value_effects(
    before: Picture, after: Picture, changes: Sequence[LoggedChange], new_rule_ids: Collection[int] = ()
) -> Iterator[JSONObject]:
    """Return each region in which a setting has another value after some changes, one by one.

    Args:
        before: what there was.
        after: what there is; it shares with the other picture what is the same.
        changes: what led from one to the other.
        new_rule_ids: ids that are not told, since no rule has them yet.
    """
    is_same_order = before.feature_order == after.feature_order
    for pair in _pair_settings(before, after, changes):
        if not (is_same_order and pair.is_alike):
            sides = (_make_behaviour(pair.before, before), _make_behaviour(pair.after, after))
            yield from (_tell(pair.name, found, new_rule_ids) for found in find_consequences(*sides))


class _Pair(NamedTuple):
    """A setting before and after a change; one of them is ``None`` if it is not there."""

    before: CatalogSetting | None
    after: CatalogSetting | None

    @property
    def name(self) -> str:
        """What the setting is called, or was."""
        present = self.before if self.after is None else self.after
        return "" if present is None else present.record.name

    @property
    def is_alike(self) -> bool:
        """Whether nothing differs that values depend on, as far as that can be seen at a glance."""
        if self.before is None or self.after is None:
            return False
        if self.before.rules is not self.after.rules:
            heads = ({rule_id: rule.head for rule_id, rule in side.rules.items()} for side in (self.before, self.after))
            if next(heads) != next(heads):
                return False
        return json_key(self.before.record.default_value) == json_key(self.after.record.default_value)


def _pair_settings(before: Picture, after: Picture, changes: Iterable[LoggedChange]) -> list[_Pair]:
    """Return the settings that are not the same object, sorted by name."""
    former = _list_former_names(changes)
    pairs = [_Pair(before.settings.get(former.get(name, name)), setting) for name, setting in after.settings.items()]
    kept = {pair.before.record.name for pair in pairs if pair.before is not None}
    pairs += [_Pair(setting, None) for name, setting in before.settings.items() if name not in kept]
    is_same_order = before.feature_order == after.feature_order
    different = [pair for pair in pairs if not is_same_order or pair.before is not pair.after]
    return sorted(different, key=lambda pair: pair.name)


def _list_former_names(changes: Iterable[LoggedChange]) -> Mapping[str, str]:
    """Return what settings were called before some changes, by what they are called after them; ``""`` for new ones."""
    former: dict[str, str] = {}
    gone: dict[str, str] = {}
    for change in changes:
        if change.kind != SETTING:
            continue
        if change.before is None:
            # One that comes back is the same setting.
            former[change.key] = gone.pop(change.key, "")
        elif change.after is None:
            gone[change.key] = former.pop(change.key, change.key)
        elif isinstance(name := change.before.get("name"), str):
            former[change.key] = former.pop(name, name)
    return former


def _make_behaviour(setting: CatalogSetting | None, picture: Picture) -> Behaviour:
    if setting is None:
        return Behaviour((), _NOTHING, picture.feature_order)
    rules = [Rule(rule.rule_id, rule.conditions, rule.read_value()) for rule in setting.rules.values()]
    return Behaviour(rules, setting.record.default_value, picture.feature_order)


def _tell(name: str, found: Consequence, new_rule_ids: Collection[int]) -> JSONObject:
    exceptions, has_more_exceptions = _take(found.region.find_exceptions(), MAX_EXCEPTIONS)
    examples, has_more_examples = _take(found.region.find_examples(), MAX_EXAMPLES)
    return {
        "setting": name,
        "conditions": dict(found.region.conditions),
        "except": [*exceptions],
        "has_more_except": has_more_exceptions,
        "before": _tell_side(found.before, found.rule_before, new_rule_ids),
        "after": _tell_side(found.after, found.rule_after, new_rule_ids),
        "examples": [*examples],
        "has_more_examples": has_more_examples,
    }


def _tell_side(value: object, winner: Winner, new_rule_ids: Collection[int]) -> JSON:
    if value is _NOTHING:
        return None
    rule_id = None if winner is None or winner.rule_id in new_rule_ids else winner.rule_id
    return {"value": cast("JSON", value), "source": "default" if winner is None else "rule", "rule_id": rule_id}


def _take(items: Iterator[T], most: int) -> tuple[list[T], bool]:
    """Return the first items, and whether there are more."""
    taken = list(islice(items, most + 1))
    return taken[:most], len(taken) > most
