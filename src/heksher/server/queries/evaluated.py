"""What value settings have in a context, and why: read from the catalog's picture.

A context may leave features open. Then the value is the one for a context in which these have values that no rule
names, and each value that is possible beside it is told with what must hold for it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from heksher.ranking import Priorities, Ranking, get_features
from heksher.region import Region, find_possible
from heksher.server.access.grants import Grants, Role, describe_missing
from heksher.server.catalog.picture import CatalogRule, CatalogSetting, Picture
from heksher.server.catalog.query import CatalogQuery, find_settings
from heksher.server.errors import NotFoundError, NotPermittedError
from heksher.server.json_bytes import encode
from heksher.value_type import json_key, shorten

# Of one setting: nobody reads more, and there can be as many as rules. And of all that are answered about together.
MAX_POSSIBLE: Final = 100
MAX_POSSIBLE_IN_ALL: Final = 10_000
# Of one possible value.
MAX_EXCEPTIONS: Final = 20

_MAX_NAMED_UNKNOWN: Final = 50

# A value for each feature that is not open; ``NO_VALUE`` stands for one that no rule names.
Context = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EvaluationQuery:
    """A question for the values of settings.

    Attributes:
        names: names or aliases; ``None`` for all settings that who asks may evaluate.
        context: where.
        compare_with: another context, to be told of as well; ``None`` for none.
    """

    names: tuple[str, ...] | None
    context: Context
    compare_with: Context | None = None


def evaluate(picture: Picture, query: EvaluationQuery, grants: Grants) -> bytes:
    """Return values of settings as JSON, and to those who may read rules also why they are that.

    Raises:
        NotPermittedError: some of the settings may not be evaluated; the message names the missing grant.
        NotFoundError: some of the settings or context features do not exist; the message names them.
    """
    settings = _find_settings(picture, query.names, grants)
    _require_features(picture, query)
    evaluator = Evaluator(picture.feature_order, query.context)
    other = None if query.compare_with is None else Evaluator(picture.feature_order, query.compare_with)
    tell = Evaluator.explain if grants.allow(Role.READ) else Evaluator.tell
    told = []
    for setting in settings:
        text = tell(evaluator, setting)
        if other is not None:
            differs = b"false" if _is_same(evaluator.read_value(setting), other.read_value(setting)) else b"true"
            text += b',"differs":%b,"compared":{%b}' % (differs, tell(other, setting))
        told.append(b"%b:{%b}" % (encode(setting.record.name), text))
    aliases = {name: canonical for name in query.names or () if (canonical := picture.names[name]) != name}
    return b'{"revision":%d,"settings":{%b},"aliases":%b}' % (picture.revision, b",".join(told), encode(aliases))


def count_rules(picture: Picture, names: Iterable[str]) -> int:
    """Return how many rules settings have, as far as they exist."""
    found = [picture.settings[picture.names[name]] for name in names if name in picture.names]
    return sum(len(setting.rules) for setting in found)


class _Decision(NamedTuple):
    """Which rules of a setting decide in a context.

    Attributes:
        matching: the rules that match, the winner first.
        contenders: stronger rules, which match or not according to features that the context leaves open.
    """

    matching: list[CatalogRule]
    contenders: list[CatalogRule]

    @property
    def winner(self) -> CatalogRule | None:
        """The rule that wins if no contender matches; ``None`` for the default."""
        return self.matching[0] if self.matching else None


class Evaluator:
    """Says what settings answer in one context. What it returns are the members of a JSON object.

    Args:
        order: the service's context features.
        context: the context.
    """

    def __init__(self, order: Sequence[str], context: Context) -> None:
        self._order = order
        self._context = context
        self._priorities = Priorities(order)
        self._possible_left = MAX_POSSIBLE_IN_ALL

    def read_value(self, setting: CatalogSetting) -> bytes:
        """Return the value of a setting as JSON."""
        return _read_value(setting, self._decide(setting).winner)

    def tell(self, setting: CatalogSetting) -> bytes:
        """Say which value a setting has, and whether it comes from a rule."""
        return _tell_winner(setting, self._decide(setting).winner)

    def explain(self, setting: CatalogSetting) -> bytes:
        """Say which value a setting has, by which rule, which ones lose, and what else is possible."""
        decision = self._decide(setting)
        losing = b",".join([self._tell_loser(rule, decision.matching[0]) for rule in decision.matching[1:]])
        text = _tell_winner(setting, decision.winner) + _tell_rule(decision.winner)
        text += b',"losing_rules":[%b]' % losing
        return text + self._tell_possible(setting, decision) if decision.contenders else text

    def _decide(self, setting: CatalogSetting) -> _Decision:
        """Look at each rule once: for one context, that takes less time than to make tables of them."""
        get = self._context.get
        matching: list[CatalogRule] = []
        contenders: list[CatalogRule] = []
        for rule in setting.rules.values():
            is_open = False
            for feature, value in rule.conditions:
                given = get(feature)
                if given is None:
                    is_open = True
                elif given != value:
                    break
            else:
                (contenders if is_open else matching).append(rule)
        matching.sort(key=self._weigh, reverse=True)
        if matching:
            least = self._weigh(matching[0])
            contenders = [rule for rule in contenders if self._weigh(rule) > least]
        return _Decision(matching, contenders)

    def _weigh(self, rule: CatalogRule) -> int:
        """Return the priority of a rule: the higher, the stronger."""
        return self._priorities.rate(get_features(rule))

    def _tell_loser(self, rule: CatalogRule, winner: CatalogRule) -> bytes:
        features = set(get_features(rule))
        # Both match, so they differ in their features: at the last one that only one has, the winner has it.
        feature = max(set(get_features(winner)) - features, key=self._order.index)
        why = f"rule {winner.rule_id} has a condition on {feature}, and this one has none"
        return b'%b,"lost_on":%b,"why":%b}' % (rule.head, encode(feature), encode(why))

    def _tell_possible(self, setting: CatalogSetting, decision: _Decision) -> bytes:
        ranking = Ranking([*decision.contenders, *decision.matching], self._order)
        most = min(MAX_POSSIBLE, self._possible_left)
        found = list(islice(find_possible(ranking, self._context), most + 1))
        told = [self._tell_one_possible(setting, rule, region) for rule, region in found[:most]]
        self._possible_left -= len(told)
        return b',"possible":[%b],"has_more_possible":%b' % (b",".join(told), encode(len(found) > most))

    def _tell_one_possible(self, setting: CatalogSetting, rule: CatalogRule | None, region: Region) -> bytes:
        conditions = {feature: value for feature, value in region.conditions.items() if feature not in self._context}
        exceptions = list(islice(region.find_exceptions(), MAX_EXCEPTIONS + 1))
        where = {
            "conditions": conditions,
            "except": exceptions[:MAX_EXCEPTIONS],
            "has_more_except": len(exceptions) > MAX_EXCEPTIONS,
        }
        return b"{%b%b,%b" % (_tell_winner(setting, rule), _tell_rule(rule), encode(where)[1:])


def _find_settings(picture: Picture, names: tuple[str, ...] | None, grants: Grants) -> list[CatalogSetting]:
    if names is None:
        settings = picture.settings.values()
        return [setting for setting in settings if grants.allow(Role.EVALUATE, setting.record.name)]
    for name in names:
        canonical = picture.names.get(name, name)
        if not grants.allow(Role.EVALUATE, canonical):
            raise NotPermittedError(describe_missing(Role.EVALUATE, canonical))
    return find_settings(picture, CatalogQuery(names))


def _require_features(picture: Picture, query: EvaluationQuery) -> None:
    given = {*query.context, *(query.compare_with or ())}
    if unknown := sorted(given.difference(picture.feature_order)):
        listed = [shorten(feature) for feature in unknown[:_MAX_NAMED_UNKNOWN]]
        raise NotFoundError(f"the service has no context features {listed}", "context feature")


def _read_value(setting: CatalogSetting, winner: CatalogRule | None) -> bytes:
    return setting.default_json if winner is None else winner.value_json


def _tell_winner(setting: CatalogSetting, winner: CatalogRule | None) -> bytes:
    source = b"default" if winner is None else b"rule"
    return b'"value":%b,"source":"%b"' % (_read_value(setting, winner), source)


def _tell_rule(rule: CatalogRule | None) -> bytes:
    return b',"rule":null' if rule is None else b',"rule":%b}' % rule.head


def _is_same(one: bytes, other: bytes) -> bool:
    return one == other or json_key(json.loads(one)) == json_key(json.loads(other))
