"""What a setting answers, and why: values, explanations, and the errors that both share."""

from collections.abc import Mapping

import pytest

from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError, UnknownFeatureError
from heksher.explanation import Explanation
from heksher.rule_set import Rule, RuleSet

DEV = Rule(1, (("environment", "dev"),), 10)
GUEST = Rule(2, (("user", "guest"),), 20)
DEV_GUEST = Rule(3, (("environment", "dev"), ("user", "guest")), 30)


def evaluate(*rules: Rule[int], is_server_default: bool = True, **defaults: str) -> Evaluation[int]:
    """Make an evaluation of a setting whose features are listed in another order than the service's."""
    context = ClientContext(("environment", "user"))
    context.set_defaults(defaults)
    rule_set = RuleSet("cache_ttl", rules, ("environment", "user"))
    return Evaluation(
        rule_set, 60, "server default" if is_server_default else "local default", context, ("user", "environment")
    )


def test_value_of_the_winner() -> None:
    """The value is that of the rule that wins, else the default."""
    evaluation = evaluate(DEV, GUEST, DEV_GUEST)
    values = {
        (environment, user): evaluation.resolve({"environment": environment, "user": user})
        for environment in ("dev", "prod")
        for user in ("guest", "me")
    }
    assert values == {("dev", "guest"): 30, ("dev", "me"): 10, ("prod", "guest"): 20, ("prod", "me"): 60}


@pytest.mark.parametrize("value", [0, None, "", False, ()])
def test_falsy_value(value: object) -> None:
    """A value that is false to Python is a value."""
    rule_set = RuleSet("x", [Rule(1, (("a", "1"),), value)], ("a",))
    evaluation: Evaluation[object] = Evaluation(rule_set, "default", "local default", ClientContext(("a",)), ("a",))
    assert value == evaluation.resolve({"a": "1"})
    assert value == evaluation.explain({"a": "1"}).value


def test_defaults_of_the_client() -> None:
    """What the call does not name comes from the client's defaults; what it names goes before them."""
    evaluation = evaluate(DEV, GUEST, environment="dev", user="me")
    assert [evaluation.resolve({}), evaluation.resolve({"user": "guest"})] == [10, 20]


def test_whose_default_it_is() -> None:
    """An evaluation knows whether the service said its default."""
    assert evaluate().is_server_default
    assert not evaluate(is_server_default=False).is_server_default


# ---- explanations


def test_explanation_of_a_rule() -> None:
    """The winner decides; the losers are those that match, the next in priority first."""
    context = {"environment": "dev", "user": "guest"}
    other = Rule(4, (("environment", "prod"),), 40)
    explanation = evaluate(other, DEV, GUEST, DEV_GUEST).explain(context)
    expected = Explanation(
        setting="cache_ttl", context=context, value=30, source="rule", rule=DEV_GUEST, losing_rules=(GUEST, DEV)
    )
    assert expected == explanation


@pytest.mark.parametrize(("is_server_default", "source"), [(True, "server default"), (False, "local default")])
def test_explanation_of_a_default(is_server_default: bool, source: str) -> None:
    """Where no rule matches, the explanation says whose default it is."""
    explanation = evaluate(DEV, is_server_default=is_server_default).explain({"environment": "prod"})
    assert (60, source, None, ()) == (
        explanation.value,
        explanation.source,
        explanation.rule,
        explanation.losing_rules,
    )


def test_explained_context() -> None:
    """The context is completed with the defaults, and has no features that the setting does not list."""
    evaluation = evaluate(GUEST, environment="dev", planet="mars")
    assert list(evaluation.explain({"user": "me"}).context.items()) == [("user", "me"), ("environment", "dev")]


def test_rule_on_a_missing_feature_is_no_loser() -> None:
    """A rule that depends on a feature that is not given, and could not win, is not listed."""
    assert evaluate(GUEST, DEV).explain({"user": "guest"}).losing_rules == ()


def test_explanation_as_text() -> None:
    """As a text, an explanation names setting, value and context, then what decides, then what lost."""
    text = str(evaluate(DEV, GUEST, DEV_GUEST).explain({"environment": "dev", "user": "guest"}))
    assert text.splitlines() == [
        "cache_ttl = 30   in the context user=guest, environment=dev",
        "  because of rule 3 (environment=dev, user=guest): 30",
        "  which wins over rule 2 (user=guest): 20",
        "  which wins over rule 1 (environment=dev): 10",
    ]


def test_explanation_of_a_default_as_text() -> None:
    """A default is named as such, and an empty context, too."""
    assert str(evaluate().explain({})) == "cache_ttl = 60   in the context (empty)\n  because of server default"


# ---- errors


def ask_both(evaluation: Evaluation[int], contexts: Mapping[str, str], error: type[Exception]) -> str:
    """Ask for value and explanation, which must fail alike; return the message."""
    texts = []
    for ask in (evaluation.resolve, evaluation.explain):
        with pytest.raises(error) as raised:
            ask(contexts)
        texts.append(str(raised.value))
    assert texts[0] == texts[1]
    return texts[0]


def test_unknown_feature() -> None:
    """A feature that the setting is not configurable by is an error, which lists those that it is."""
    text = ask_both(evaluate(DEV), {"planet": "mars", "moon": "deimos", "user": "me"}, UnknownFeatureError)
    assert text == "setting 'cache_ttl' is not configurable by moon, planet; its features are user, environment"


def test_missing_feature() -> None:
    """A feature that is needed and has neither value nor default is an error, which says how to give one."""
    text = ask_both(evaluate(DEV), {"user": "me"}, MissingContextError)
    assert "setting 'cache_ttl' needs a value for the context feature 'environment'" in text
    assert "set_defaults(environment=...)" in text


def test_feature_that_no_rule_depends_on() -> None:
    """A feature that nothing depends on need not be given."""
    assert evaluate(DEV).resolve({"environment": "dev"}) == 10
    assert evaluate().resolve({}) == 60


def test_feature_that_the_program_does_not_declare() -> None:
    """A rule on a feature that the program does not declare matches by the client's default, or not at all."""
    rule_set = RuleSet(
        "cache_ttl", [Rule(1, (("theme", "dark"),), 10), Rule(2, (("user", "me"),), 20)], ("user", "theme")
    )
    context = ClientContext(("user", "theme"))
    evaluation = Evaluation(rule_set, 60, "local default", context, ("user",))
    assert [20, 60] == [evaluation.resolve({"user": user}) for user in ("me", "you")]
    assert evaluation.explain({"user": "me"}).losing_rules == ()
    context.set_defaults({"theme": "dark"})
    assert 10 == evaluation.resolve({"user": "me"})


@pytest.mark.trap(27)
def test_untracked_value_is_noted() -> None:
    """A read with a value that is not tracked is noted at the client, whether it comes from the call or a default."""
    context = ClientContext(("environment", "user"))
    context.set_defaults({"environment": "dev"})
    context.track({"environment": "prod", "user": "me"})
    rule_set = RuleSet[int]("cache_ttl", (), ())
    evaluation = Evaluation(rule_set, 60, "local default", context, ("environment", "user"))
    for user in ("me", "you"):
        assert evaluation.resolve({"user": user}) == 60
    assert context.untracked_reads == {("cache_ttl", "environment"): 2, ("cache_ttl", "user"): 1}
