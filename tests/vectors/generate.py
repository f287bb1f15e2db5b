"""Makes the JSON files of this folder: ``python -m tests.vectors.generate`` from the root of the repository.

The answers come from the brute-force oracle (``tests/support/oracle.py``), never from the product. What looks random is
drawn from a fixed seed, so that the same files come out on every machine; a test compares them to the committed ones.
"""

import itertools
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from heksher.value_type import JSON
from tests.support.oracle import resolve
from tests.support.vectors import VECTORS_DIRECTORY, Expected, VectorCase, VectorRule

FEATURES: Sequence[str] = ("a", "b", "c", "d", "e")
DEFAULT_VALUE = "the default"

# The table in docs/reference/compatibility.md, *Which rule wins*.
DOCUMENTED_RULES = {
    1: {"b": "1", "c": "1"},
    2: {"a": "1", "c": "1"},
    3: {"c": "1"},
    4: {"a": "1", "b": "1"},
    5: {"a": "1"},
}

Conditions = Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """A case without its answer. What is not given is what most cases have in common.

    Attributes:
        values: the values of rules; a rule that is not in it has the value ``"rule <id>"``.
    """

    name: str
    feature_order: Sequence[str]
    rules: Mapping[int, Conditions]
    context: Mapping[str, str]
    configurable_features: Sequence[str] = ()
    context_defaults: Mapping[str, str] | None = None
    default_value: JSON = DEFAULT_VALUE
    values: Mapping[int, JSON] | None = None

    def answer(self) -> VectorCase:
        """Make the case: put the question in the form of the files and ask the oracle."""
        defaults = dict(self.context_defaults or {})
        return VectorCase(
            name=self.name,
            feature_order=list(self.feature_order),
            configurable_features=list(self.configurable_features or self.feature_order),
            default_value=self.default_value,
            rules=[self._write_rule(rule_id) for rule_id in self.rules],
            context_defaults=defaults,
            context=dict(self.context),
            expected=self._expect({**defaults, **self.context}),
        )

    def _write_rule(self, rule_id: int) -> VectorRule:
        conditions = [[feature, value] for feature, value in self.rules[rule_id].items()]
        return VectorRule(rule_id=rule_id, context_features=conditions, value=self._value(rule_id))

    def _value(self, rule_id: int) -> JSON:
        return (self.values or {}).get(rule_id, f"rule {rule_id}")

    def _expect(self, full_context: Mapping[str, str]) -> Expected:
        answer = resolve(self.rules, full_context, self.feature_order)
        if answer.missing_feature is not None:
            return Expected(missing_feature=answer.missing_feature, matches=list(answer.matches))
        value = self.default_value if answer.winner is None else self._value(answer.winner)
        return Expected(value=value, rule_id=answer.winner, matches=list(answer.matches))


def ask_documented() -> Iterator[Question]:
    """Ask the documented table in every context, then each two of its rules by themselves."""
    for values in itertools.product(("1", "2", None), repeat=3):
        context = {feature: value for feature, value in zip("abc", values, strict=True) if value is not None}
        yield Question(f"documented table, {_describe(context)}", "abc", DOCUMENTED_RULES, context)
    for pair in itertools.permutations(DOCUMENTED_RULES, 2):
        rules = {rule_id: DOCUMENTED_RULES[rule_id] for rule_id in pair}
        yield Question(f"documented table, R{pair[0]} and R{pair[1]}", "abc", rules, dict.fromkeys("abc", "1"))


def ask_ties() -> Iterator[Question]:
    """Ask two rules at a time that both match and agree in their latest condition."""
    for count in (2, 3, 4):
        features = FEATURES[:count]
        for first, second in itertools.combinations(_subsets(features), 2):
            if first[-1] == second[-1]:
                yield _ask_tie(features, first, second)
    for one, other in (("ae", "be"), ("abce", "de"), ("abcd", "abd"), ("acde", "bcde"), ("abcde", "bcde")):
        yield _ask_tie(FEATURES, one, other)


def _ask_tie(features: Sequence[str], first: Sequence[str], second: Sequence[str]) -> Question:
    name = f"tie of {len(features)} features, {'+'.join(first)} against {'+'.join(second)}"
    rules = {1: dict.fromkeys(first, "x"), 2: dict.fromkeys(second, "x")}
    return Question(name, features, rules, dict.fromkeys(features, "x"))


def ask_wildcards() -> Iterator[Question]:
    """Ask a setting that has a rule for each set of features."""
    for count in range(1, 5):
        features = FEATURES[:count]
        rules = {number: dict.fromkeys(subset, "x") for number, subset in enumerate(_subsets(features), start=1)}
        for values in itertools.product("xy", repeat=count):
            context = dict(zip(features, values, strict=True))
            yield Question(f"every set of {count} features, {_describe(context)}", features, rules, context)


def ask_orders() -> Iterator[Question]:
    """Ask the same rules under every order of the service, whatever the order in which the setting declares."""
    rng = _make_random("orders")
    rules = {**DOCUMENTED_RULES, 6: {"b": "1"}}
    for order in itertools.permutations("abc"):
        for context in ({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "1", "c": "2"}, {"a": "1", "b": "1"}):
            name = f"service's order {','.join(order)}, {_describe(context)}"
            yield Question(name, order, rules, context, configurable_features=_shuffle(rng, "abc"))
    four = dict(
        enumerate(({"a": "1", "b": "1"}, {"c": "1", "d": "1"}, {"a": "1", "d": "1"}, {"b": "1", "c": "1"}), start=1)
    )
    for order in itertools.permutations("abcd"):
        declared = _shuffle(rng, "abcd")
        context = dict.fromkeys("abcd", "1")
        yield Question(f"service's order {','.join(order)}", order, four, context, configurable_features=declared)


def ask_defaults() -> Iterator[Question]:
    """Ask where defaults decide: the setting's default value, and the client's context defaults."""
    for count in range(1, 6):
        features = FEATURES[:count]
        full = dict.fromkeys(features, "x")
        yield Question(f"no rules, {count} features, whole context", features, {}, full)
        yield Question(f"no rules, {count} features, empty context", features, {}, {})
        others = {number: {feature: "y"} for number, feature in enumerate(features, start=1)}
        yield Question(f"no rule matches, {count} features", features, others, full)
    falsy: tuple[JSON, ...] = (0, 0.0, False, "", [], {})
    for value in falsy:
        text = json.dumps(value)
        yield Question(f"default value {text}", "a", {1: {"a": "x"}}, {"a": "y"}, default_value=value)
        yield Question(f"rule value {text}", "a", {1: {"a": "x"}}, {"a": "x"}, values={1: value})
    yield from _ask_context_defaults()


def _ask_context_defaults() -> Iterator[Question]:
    rules = {1: {"a": "x"}, 2: {"b": "x"}, 3: {"a": "x", "b": "x"}}
    choices: tuple[dict[str, str], ...] = ({}, {"a": "x"}, {"b": "x"}, {"a": "x", "b": "x"}, {"a": "y"}, {"b": "y"})
    for defaults, context in itertools.product(choices, repeat=2):
        name = f"context defaults {_describe(defaults)}, then {_describe(context)}"
        yield Question(name, "ab", rules, context, context_defaults=defaults)


def ask_missing() -> Iterator[Question]:
    """Ask with each part of the context, so that features are missing."""
    chains = {
        "a rule for each feature": [{feature: "x"} for feature in "abcd"],
        "a rule for each two neighbours": [dict.fromkeys(pair, "x") for pair in ("ab", "bc", "cd")],
        "one rule on all": [dict.fromkeys("abcd", "x")],
    }
    for description, conditions in chains.items():
        rules = dict(enumerate(conditions, start=1))
        for given in ("", *map("".join, _subsets("abcd"))):
            context = dict.fromkeys(given, "x")
            yield Question(f"{description}, {_describe(context)}", "abcd", rules, context)


def ask_names() -> Iterator[Question]:
    """Ask with features and values that an implementation could take for something else."""
    for feature in ("class", "2fa", "User", "_", "self", "context", "0", "constructor", "__proto__"):
        rules = {1: {feature: "x"}, 2: {"plain": "x"}}
        yield Question(f"feature {feature}", ("plain", feature), rules, {"plain": "x", feature: "x"})
    plain = (("0", "00"), ("1", "01"), ("true", "True"), ("null", "None"), ("a", "A"), ("_", "__"))
    any_text = (("a@b.c", "a@b.d"), ("café", "cafe"), ("a b", "a\u00a0b"), ('x","y', "x"), ("eu-west-1", "eu_west_1"))
    for value, other in (*plain, *any_text):
        rules = {1: {"a": value}, 2: {"a": other}}
        yield Question(f"value {value}, not {other}", "a", rules, {"a": value})
    yield Question(
        "features that differ in case only",
        ("user", "User"),
        {1: {"user": "x"}, 2: {"User": "y"}},
        {"user": "x", "User": "x"},
    )
    twins = {1: {"a": "x", "b": "y"}, 2: {"a": "y", "b": "x"}}
    yield Question("the same values for other features", "ab", twins, {"a": "x", "b": "y"})


def ask_random() -> Iterator[Question]:
    """Ask anything: one to five features, any rules, any order, any context."""
    rng = _make_random("random")
    for count in range(1, 6):
        for number in range(1, 31):
            yield _ask_random(rng, f"random {count}.{number}", FEATURES[:count])


def _ask_random(rng: random.Random, name: str, features: Sequence[str]) -> Question:
    drawn = [_draw_context(rng, features, "xyz**") for _ in range(rng.randrange(1, 4 * len(features)))]
    # Each set of conditions once, and none that is empty: neither can exist on a service.
    distinct = {tuple(sorted(conditions.items())): conditions for conditions in drawn if conditions}
    numbers = rng.sample(range(1, 100), len(distinct))
    return Question(
        name,
        feature_order=_shuffle(rng, features),
        rules=dict(zip(numbers, distinct.values(), strict=True)),
        context=_draw_context(rng, features, "xxxyyz*"),
        configurable_features=_shuffle(rng, features),
        context_defaults=_draw_context(rng, features, "xyz***"),
    )


def _draw_context(rng: random.Random, features: Sequence[str], values: str) -> dict[str, str]:
    # A star stands for no value at all.
    drawn = {feature: rng.choice(values) for feature in _shuffle(rng, features)}
    return {feature: value for feature, value in drawn.items() if value != "*"}


def _make_random(purpose: str) -> random.Random:
    return random.Random(f"heksher vectors: {purpose}")  # noqa: S311 - it has to be repeatable, not secret


def _shuffle(rng: random.Random, items: Sequence[str]) -> list[str]:
    return rng.sample(items, len(items))


def _subsets(features: Sequence[str]) -> list[tuple[str, ...]]:
    """List the sets of at least one feature."""
    return [subset for size in range(1, len(features) + 1) for subset in itertools.combinations(features, size)]


def _describe(context: Mapping[str, str]) -> str:
    return " ".join(f"{feature}={value}" for feature, value in context.items()) or "nothing"


# File name (without .json) to what it shows and what asks it.
FILES = {
    "documented": ("The five rules of the documentation's table, in every context", ask_documented),
    "ties": ("Two matching rules whose latest conditions are on the same feature", ask_ties),
    "wildcards": ("A rule for each set of features", ask_wildcards),
    "orders": ("The order is that of the service, not that in which a setting lists its features", ask_orders),
    "defaults": ("No rules, no matching rule, falsy values, and context defaults", ask_defaults),
    "missing": ("Contexts that lack features", ask_missing),
    "names": ("Unusual names and values", ask_names),
    "random": ("Random rules and contexts, for one to five features", ask_random),
}


def render_files() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        f"{stem}.json": _render_file(description, [question.answer() for question in ask()])
        for stem, (description, ask) in FILES.items()
    }


def _render_file(description: str, cases: Iterable[VectorCase]) -> str:
    """Write a file with one case on each line, so that a difference shows the cases that it is about."""
    lines = ",\n".join(json.dumps(case) for case in cases)
    return f'{{"description": {json.dumps(description)}, "cases": [\n{lines}\n]}}\n'


def main() -> None:
    """Write the files."""
    for name, text in render_files().items():
        (VECTORS_DIRECTORY / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
