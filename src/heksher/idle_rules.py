"""Rules without effect: removing one of them, and nothing else, changes no answer of the setting.

Theory
------
A rule has an effect if there is a weaker rule, or the default, with another value, and a context in which the rule wins
and the weaker one is next. There is such a context exactly if that holds in the one that has the conditions of both and
otherwise values that no rule names (see ``heksher.region``).

Most rules show an effect in the context of their own conditions. For the others, weaker rules with the same value need
no look; so for each table of rules it is known which value most of them have, and which entries may have another one.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final

from heksher.consequences import Behaviour, Value, Winner
from heksher.ranking import Part, Selection, find_first, join
from heksher.rule_set import Group, Rule
from heksher.value_type import json_key

# The key of entries that have several values.
_MIXED: Final = object()


def find_idle(behaviour: Behaviour) -> Iterator[Rule[Value]]:
    """Return the rules without effect, comparing values as JSON.

    Each has none as long as the others are there: of two such rules, one may be needed when the other is gone.
    """
    contrasts = _Contrasts(behaviour)
    return (rule for rule in behaviour.rules if not _has_effect(rule, behaviour, contrasts))


def _has_effect(rule: Rule[Value], behaviour: Behaviour, contrasts: "_Contrasts") -> bool:
    ranking, part = behaviour.ranking, dict(rule.conditions)
    place, key = ranking.find_place(rule), contrasts.get_key(rule)
    next_rule = ranking.find_winner(part, place + 1)
    if contrasts.get_key(next_rule) != key:
        return True
    select = contrasts.make_selection(key)
    # What is weaker than the next rule is next nowhere.
    for weaker_place in range(place + 1, ranking.find_place(next_rule)):
        group = ranking.groups[weaker_place]
        others = *ranking.groups[:place], *ranking.groups[place + 1 : weaker_place]

        def is_hopeless(joined: Part, others: Sequence[Group] = others) -> bool:
            return find_first(others, joined) is not None

        found = join(group, part, is_hopeless, select) if select(group.table) else ()
        if any(contrasts.get_key(weaker) != key for weaker, _ in found):
            return True
    return False


class _Contrasts:
    """Which values rules have, and in which entries of the tables of rules there may be others.

    Args:
        behaviour: the rules.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        # Rules and tables by identity: their values may be of any size.
        self._keys: dict[int, Hashable] = {id(rule): json_key(rule.value) for rule in behaviour.rules}
        self._default_key = json_key(behaviour.default_value)
        # For each table, the value that most of its entries have throughout, and the other entries.
        self._divided: dict[int, tuple[Hashable, dict[str, Any]]] = {}
        for group in behaviour.ranking.groups:
            self._divide(group.table, len(group.levels))

    def get_key(self, winner: Winner) -> Hashable:
        """Return what stands for the value of a rule, or of the default."""
        return self._default_key if winner is None else self._keys[id(winner)]

    def make_selection(self, key: Hashable) -> Selection:
        """Return what selects the entries of a table that may have rules of another value."""

        def select(table: dict[str, Any]) -> dict[str, Any]:
            most, others = self._divided[id(table)]
            return others if most == key else table

        return select

    def _divide(self, table: Any, depth: int) -> Hashable:
        """Divide a table and those in it; return the value that all of it has, if there is one."""
        if depth == 0:
            return self._keys[id(table)]
        keys = {entry: self._divide(inner, depth - 1) for entry, inner in table.items()}
        counts = Counter(key for key in keys.values() if key is not _MIXED)
        most = counts.most_common(1)[0][0] if counts else _MIXED
        others = {entry: inner for entry, inner in table.items() if keys[entry] != most}
        self._divided[id(table)] = most, others
        return _MIXED if others else most
