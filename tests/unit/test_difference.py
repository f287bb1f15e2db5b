"""Whether what a setting answers differs: what is a change, and what only looks like one."""

import pickle
from collections import OrderedDict
from collections.abc import Sequence
from contextvars import ContextVar
from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import Any

import pytest

from heksher import difference
from heksher.context import ClientContext, ContextDefault
from heksher.difference import is_same_value
from heksher.evaluation import Evaluation
from heksher.rule_set import Rule, RuleSet

NAN = float("nan")


class Level(IntEnum):
    """An enum whose members equal integers."""

    LOW = 1


class Access(IntFlag):
    """Flags that equal integers."""

    READ = 1


class Unable:
    """A value that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        return 0


def evaluate(
    *rules: Rule[Any],
    default: object = 60,
    order: Sequence[str] = ("a", "b"),
    declared: Sequence[str] = ("a", "b"),
    **defaults: ContextDefault,
) -> Evaluation[Any]:
    """Make an evaluation of a setting that is configurable by some of the service's features."""
    context = ClientContext(("a", "b", "hidden"))
    context.set_defaults(defaults)
    return Evaluation(RuleSet("size", rules, order), default, "server default", context, tuple(declared))


def on(value: object, rule_id: int = 1, **conditions: str) -> Rule[Any]:
    """Make a rule."""
    return Rule(rule_id, tuple(conditions.items()), value)


def answers_alike(one: Evaluation[Any], other: Evaluation[Any]) -> bool:
    """Compare two evaluations, which must be the same from either side."""
    assert one.answers_as(other) == other.answers_as(one)
    return one.answers_as(other)


# ---- values


@pytest.mark.parametrize(
    "value",
    [1, 1.0, True, None, "x", Level.LOW, Access.READ, (1, (True, 2)), [1], {"a": (1, 2.0)}, NAN, 10**400],
    ids=repr,
)
def test_value_is_the_same_as_its_copy(value: object) -> None:
    """A value is the same as one that was made in the same way."""
    assert is_same_value(value, pickle.loads(pickle.dumps(value)))  # noqa: S301 - the test's own


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0, False),
        (1, Level.LOW),
        (1, Access.READ),
        (Level.LOW, Access.READ),
        ((1, 2), (1, True)),
        ((1, 2), (1, 2, 3)),
        ((1, 2), (2, 1)),
        ((1,), [1]),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 1}),
        ({"a": [0]}, {"a": [False]}),
        (0.0, NAN),
        ("", None),
    ],
    ids=repr,
)
def test_other_values(one: object, other: object) -> None:
    """Values that are equal to Python are different when they are of different types, however deep inside."""
    assert [False, False] == [is_same_value(one, other), is_same_value(other, one)]


def test_entries_of_mappings_have_no_order() -> None:
    """The same entries in another order are the same value."""
    assert is_same_value(MappingProxyType({"a": 1, "b": 2}), MappingProxyType({"b": 2, "a": 1}))
    assert not is_same_value({"a": 1}, OrderedDict(a=1))


def test_value_that_cannot_be_compared() -> None:
    """A value whose comparison fails is the same as itself and as no other."""
    value = Unable()
    assert is_same_value((value,), (value,))
    assert not is_same_value((value,), (Unable(),))


def test_value_without_end() -> None:
    """Values that contain themselves are not the same, and do no harm."""
    one: list[Any] = []
    one.append(one)
    other: list[Any] = []
    other.append(other)
    assert not is_same_value(one, other)


# ---- no change


def test_same_rules() -> None:
    """Neither the rules' numbers, nor their order or that of their conditions, nor whose default it is, is a change."""
    one = evaluate(on(1, 1, a="x"), on((2, 3), 2, a="x", b="y"))
    assert answers_alike(one, evaluate(on((2, 3), 7, b="y", a="x"), on(1, 8, a="x")))
    assert answers_alike(
        one, Evaluation(one.rules, one.default_value, "local default", ClientContext(("a", "b")), ("a", "b"))
    )


def test_rule_that_nobody_notices() -> None:
    """A rule that gives what was given without it is no change, until another value shows it."""
    rules = [on(1, 1, a="x"), on(2, 2, a="x", b="y")]
    vain = [on(60, 3, b="z"), on(2, 4, b="y", a="x2"), on(1, 5, a="x", b="y2")]
    assert answers_alike(evaluate(*rules), evaluate(*rules, vain[2]))
    assert not answers_alike(evaluate(*rules), evaluate(*rules, vain[0])), "it wins over the rule on a"
    assert not answers_alike(evaluate(*rules), evaluate(*rules, vain[1]))
    assert answers_alike(evaluate(rules[1]), evaluate(rules[1], vain[0]))


def test_other_order_of_features() -> None:
    """Another order of features is a change only where it decides between different values."""
    one, other = [on(1, 1, a="x"), on(2, 2, b="y")], [on(1, 1, a="x"), on(1, 2, b="y")]
    assert not answers_alike(evaluate(*one), evaluate(*one, order=("b", "a")))
    assert answers_alike(evaluate(*other), evaluate(*other, order=("b", "a")))
    assert answers_alike(evaluate(one[0]), evaluate(one[0], order=("b", "a")))


def test_default_that_nobody_gets() -> None:
    """A rule without conditions, as stub clients have it, hides the default."""
    assert answers_alike(evaluate(on(5), default=1), evaluate(on(5), default=2))
    assert answers_alike(evaluate(on(5), default=1), evaluate(default=5))


# ---- change


@pytest.mark.parametrize(
    "other",
    [
        evaluate(on(1, a="x"), default=61),
        evaluate(on(1, a="x"), default=60.0),
        evaluate(on(2, a="x")),
        evaluate(on(True, a="x")),
        evaluate(on(1, a="z")),
        evaluate(on(1, b="x")),
        evaluate(on(1, a="x", b="x")),
        evaluate(),
    ],
)
def test_changes(other: Evaluation[Any]) -> None:
    """Another default, another value or type of a rule, and other conditions are changes."""
    assert not answers_alike(evaluate(on(1, a="x")), other)


def test_swapped_values() -> None:
    """The same values in each other's place are a change."""
    one, other = evaluate(on(1, 1, a="x"), on(2, 2, a="y")), evaluate(on(2, 1, a="x"), on(1, 2, a="y"))
    assert not answers_alike(one, other)


def test_difference_that_takes_two_rules() -> None:
    """A difference may show only where conditions of two rules hold, none of which has changed its value."""
    one, other = (evaluate(on(1, 1, a="x"), on(2, 2, b="y"), *more) for more in ([], [on(1, 3, a="x", b="y")]))
    assert not answers_alike(one, other)


# ---- features that the program does not declare


def test_rule_that_can_never_match() -> None:
    """A rule on a feature that neither the program declares nor the client knows a default of is never noticed."""
    assert answers_alike(evaluate(), evaluate(on(1, hidden="x")))
    assert answers_alike(evaluate(hidden="y"), evaluate(on(1, hidden="x"), hidden="y"))


def test_rule_on_a_default() -> None:
    """A rule on a feature that is not declared matches by the client's default."""
    assert not answers_alike(evaluate(hidden="x"), evaluate(on(1, hidden="x"), hidden="x"))
    assert answers_alike(evaluate(on(1, a="x"), hidden="x"), evaluate(on(1, hidden="x", a="x"), hidden="x"))


def test_rule_that_always_wins() -> None:
    """What loses to a rule that the client's default fulfils is never noticed."""
    always = on(1, 1, hidden="x")
    order = ("a", "b", "hidden")
    assert answers_alike(
        evaluate(always, order=order, hidden="x"), evaluate(always, on(2, 2, a="x"), order=order, hidden="x")
    )


def test_rule_on_a_variable() -> None:
    """A ContextVar may have any value, so a rule that asks for one may be noticed."""
    variable: ContextVar[str] = ContextVar("variable")
    assert not answers_alike(evaluate(hidden=variable), evaluate(on(1, hidden="x"), hidden=variable))


# ---- cost


def test_unchanged_rules_need_no_comparison() -> None:
    """Rules that an update has taken over are not looked at."""
    shared = [on(Unable(), number, a=f"x{number}") for number in range(100)]
    assert answers_alike(evaluate(*shared), evaluate(*reversed(shared)))


def test_comparison_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would take too long to compare counts as a change."""
    rules = [on(60, number, a=f"x{number}") for number in range(20)]
    assert answers_alike(evaluate(), evaluate(*rules))
    monkeypatch.setattr(difference, "MAX_PAIRS", 10)
    assert not answers_alike(evaluate(), evaluate(*rules))
