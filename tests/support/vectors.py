"""The language-neutral cases of ``tests/vectors``, as Python sees them. The README there explains the format."""

import json
from pathlib import Path
from typing import NotRequired, TypedDict

from heksher.value_type import JSON

VECTORS_DIRECTORY = Path(__file__).parent.parent / "vectors"


class VectorRule(TypedDict):
    """A rule as the service answers a query, except that its conditions stand in any order."""

    rule_id: int
    context_features: list[list[str]]
    value: JSON


class Expected(TypedDict):
    """What the setting must answer: either a value and the rule it is from, or the feature that is missing."""

    value: NotRequired[JSON]
    rule_id: NotRequired[int | None]
    missing_feature: NotRequired[str]
    matches: list[int]


class VectorCase(TypedDict):
    """One question to one setting, and the answer."""

    name: str
    feature_order: list[str]
    configurable_features: list[str]
    default_value: JSON
    rules: list[VectorRule]
    context_defaults: dict[str, str]
    context: dict[str, str]
    expected: Expected


class VectorFile(TypedDict):
    """A file of cases that show one thing."""

    description: str
    cases: list[VectorCase]


def load_cases() -> list[VectorCase]:
    """Read the cases of every file."""
    cases: list[VectorCase] = []
    for path in sorted(VECTORS_DIRECTORY.glob("*.json")):
        file: VectorFile = json.loads(path.read_text(encoding="utf-8"))
        cases += file["cases"]
    return cases
