"""What an explanation is as JSON; what it says is tested with ``Evaluation.explain``."""

import json
from enum import Enum

from heksher.explanation import Explanation
from heksher.rule_set import Rule


class Color(Enum):
    RED = "red"
    BLUE = "blue"


WINNER = Rule(3, (("environment", "dev"), ("user", "guest")), Color.RED)
LOSER = Rule(1, (("environment", "dev"),), Color.BLUE)


def explain(rule: Rule[Color] | None, *losing_rules: Rule[Color]) -> Explanation[Color]:
    return Explanation(
        setting="background",
        context={"environment": "dev", "user": "guest"},
        value=Color.RED,
        source="local default" if rule is None else "rule",
        rule=rule,
        losing_rules=losing_rules,
    )


def test_rules_as_json():
    """Rules are objects whose conditions are an object, and values are what they are on the wire."""
    expected = {
        "setting": "background",
        "context": {"environment": "dev", "user": "guest"},
        "value": "red",
        "source": "rule",
        "rule": {"rule_id": 3, "conditions": {"environment": "dev", "user": "guest"}, "value": "red"},
        "losing_rules": [{"rule_id": 1, "conditions": {"environment": "dev"}, "value": "blue"}],
    }
    assert expected == json.loads(json.dumps(explain(WINNER, LOSER).as_dict()))


def test_values_that_are_any_text() -> None:
    """Values that are not plain stand in quotes, so that it can be seen where they begin and end."""
    rule = Rule(3, (("user", 'a, "b"'), ("theme", "dark")), Color.RED)
    explanation = Explanation(
        setting="background",
        context={"user": 'a, "b"', "theme": "dark"},
        value=Color.RED,
        source="rule",
        rule=rule,
        losing_rules=(),
    )
    lines = str(explanation).splitlines()
    assert lines[0].endswith(r'in the context user="a, \"b\"", theme=dark')
    assert lines[1].startswith(r'  because of rule 3 (user="a, \"b\"", theme=dark): ')


def test_texts_that_no_rule_can_have() -> None:
    """It is said why no rule has them."""
    explanation = Explanation(
        setting="background",
        context={"user": "", "theme": "e\u0301"},
        value=Color.RED,
        source="local default",
        rule=None,
        losing_rules=(),
    )
    first, _ = str(explanation).splitlines()
    assert 'user="" (no rule can have it: it is empty), theme="e\u0301" (no rule can have it: it is not in' in first


def test_default_as_json():
    """There is no rule where a default decides."""
    form = explain(None).as_dict()
    assert ("local default", None, []) == (form["source"], form["rule"], form["losing_rules"])
