"""What is said of a declaration that contradicts what the service has."""

import json
from typing import Any

import pytest

from heksher.clients.conversation.conflict import describe_conflict

DECLARED = {
    "name": "s",
    "configurable_features": ["a", "b"],
    "type": "int",
    "default_value": 2,
    "metadata": {},
    "alias": None,
    "version": "1.0",
}
DEFAULT = {"level": "minor", "attribute": "default_value", "latest_value": 1}
FEATURES = {"level": "major", "attribute": "configurable_features", "latest_value": ["a"]}
IN_USE = {"level": "mismatch", "message": "configurable features ['c'] are still in use by rules [7]"}


def describe(outcome: str, *differences: object, version: str = "1.0") -> str:
    answer = {"outcome": outcome, "previous_version": "1.0", "differences": differences}
    return describe_conflict({**DECLARED, "version": version}, json.dumps(answer))


def test_change_without_a_new_version() -> None:
    """What differs is named with both values, and so is the version to declare."""
    assert "default changed 1 → 2; the version is still 1.0: set version='1.1'" == describe("mismatch", DEFAULT)


def test_the_next_version_follows_the_gravest_difference() -> None:
    """A difference that needs a new major version has one proposed; one that no version may make says so."""
    features = 'configurable_features changed ["a"] → ["a", "b"]'
    assert [
        f"default changed 1 → 2; {features}; the version is still 1.9: set version='2.0'",
        f"{features}; version 1.1 may not change that: set version='2.0'",
        f"{IN_USE['message']}; version 2.0 may not change that: no version can, change what the message names first",
    ] == [
        describe("mismatch", DEFAULT, FEATURES, version="1.9"),
        describe("rejected", FEATURES, version="1.1"),
        describe("rejected", IN_USE, version="2.0"),
    ]


def test_long_values_are_cut() -> None:
    """A default of megabytes does not become a message of megabytes."""
    difference = {"level": "minor", "attribute": "default_value", "latest_value": "x" * 1_000_000}
    assert len(describe("mismatch", difference)) < 200


@pytest.mark.parametrize(
    "content",
    [
        "alias belongs to another setting",
        "",
        "[]",
        "{}",
        "null",
        json.dumps({"outcome": "mismatch", "differences": []}),
        json.dumps({"outcome": "mismatch", "differences": None}),
        json.dumps({"outcome": "mismatch", "differences": [None]}),
        json.dumps({"outcome": "mismatch", "differences": [{"level": "minor"}]}),
        json.dumps({"outcome": "mismatch", "differences": [{"level": [], "message": "x"}]}),
        json.dumps({"outcome": "mismatch", "differences": [{"level": "minor", "attribute": "x", "latest_value": 1}]}),
        "[" * 100_000,
    ],
    ids=lambda content: content[:40],
)
def test_an_answer_of_another_shape(content: str) -> None:
    """What is not as the API promises is shown as it is."""
    assert content == describe_conflict(DECLARED, content)


@pytest.mark.parametrize("version", ["x", "1", None, 1.0])
def test_a_version_that_is_none(version: Any) -> None:
    """No version follows one that is none."""
    content = json.dumps({"outcome": "mismatch", "differences": [DEFAULT]})
    assert content == describe_conflict({**DECLARED, "version": version}, content)
