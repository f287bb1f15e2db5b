"""The language-neutral cases of rule resolution: they are what the generator makes, and we answer them right."""

import re

import pytest

from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError
from heksher.explanation import Explanation
from heksher.rule_set import Rule, RuleSet
from heksher.value_type import JSON, json_key
from tests.support.vectors import VECTORS_DIRECTORY, Expected, VectorCase, load_cases
from tests.vectors.generate import render_files

CASES = load_cases()
FOR_EACH_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])


def test_files_are_what_the_generator_makes() -> None:
    """Each file is byte for byte what the generator writes, and there is no other file."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in VECTORS_DIRECTORY.glob("*.json")}
    assert render_files() == committed


def test_there_are_enough_cases() -> None:
    """There are at least 200 cases, each with a name of its own, for one to five features."""
    assert len(CASES) >= 200
    assert len(CASES) == len({case["name"] for case in CASES})
    assert {1, 2, 3, 4, 5} <= {len(case["feature_order"]) for case in CASES}


@pytest.mark.trap(13)
@pytest.mark.trap(16)
@FOR_EACH_CASE
def test_rules_match_as_expected(case: VectorCase) -> None:
    """The rules that match are the expected ones, in the expected order."""
    context = {**case["context_defaults"], **case["context"]}
    assert case["expected"]["matches"] == [rule.rule_id for rule in build_rule_set(case).find_matches(context)]


@pytest.mark.trap(13)
@pytest.mark.trap(16)
@FOR_EACH_CASE
def test_answer_is_as_expected(case: VectorCase) -> None:
    """Asking gives the expected value, from the expected rule, or names the feature that is missing."""
    evaluation = build_evaluation(case)
    missing_feature = case["expected"].get("missing_feature")
    if missing_feature is not None:
        with pytest.raises(MissingContextError, match=re.escape(f"the context feature {missing_feature!r}")):
            evaluation.resolve(case["context"])
    else:
        assert json_key(case["expected"].get("value")) == json_key(evaluation.resolve(case["context"]))
        assert json_key(case["expected"]) == json_key(describe(evaluation.explain(case["context"])))


def build_rule_set(case: VectorCase) -> RuleSet[JSON]:
    """Build the rule set of a case."""
    rules = [
        Rule(raw["rule_id"], tuple((feature, value) for feature, value in raw["context_features"]), raw["value"])
        for raw in case["rules"]
    ]
    return RuleSet("case", rules, case["feature_order"])


def build_evaluation(case: VectorCase) -> Evaluation[JSON]:
    """Build what a setting answers from, for a client that has the defaults of the case."""
    client_context = ClientContext(case["feature_order"])
    client_context.set_defaults(case["context_defaults"])
    features = tuple(case["configurable_features"])
    return Evaluation(build_rule_set(case), case["default_value"], "server default", client_context, features)


def describe(explanation: Explanation[JSON]) -> Expected:
    """Put an answer in the form in which it stands in the case."""
    rules = [rule for rule in (explanation.rule, *explanation.losing_rules) if rule is not None]
    return Expected(
        value=explanation.value,
        rule_id=None if explanation.rule is None else explanation.rule.rule_id,
        matches=[rule.rule_id for rule in rules],
    )
