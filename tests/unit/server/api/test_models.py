"""The parts of requests that more than one route takes."""

import pytest
from pydantic import TypeAdapter, ValidationError

from heksher.server.api.models import (
    ContextFeatureMove,
    Feature,
    FeatureValue,
    MetadataKey,
    SettingDeclaration,
    SettingName,
    Version,
    WireType,
)
from heksher.server.operations.differences import Declaration
from heksher.value_type import parse_value_type


@pytest.mark.trap(35)
@pytest.mark.parametrize("part", [Feature, SettingName, MetadataKey])
@pytest.mark.parametrize("text", ["", "a\n", "\na", "a b", "é", "a\x00", "\u0661", "a" * 256, True, None, ["a"]])
def test_names_are_anchored_at_both_ends(part: object, text: object):
    """No newline, no letter of another alphabet, nothing but a string, and at most 255 characters."""
    with pytest.raises(ValidationError):
        TypeAdapter(part).validate_python(text)


@pytest.mark.parametrize(
    ("part", "good", "bad"),
    [(Feature, "a_Z9", "a-b"), (Feature, "0", "a.b"), (SettingName, "a.b_9", "a-b"), (MetadataKey, "a-b_9", "a.b")],
)
def test_names_differ_in_punctuation(part: object, good: str, bad: str):
    """Settings have dots, metadata keys have hyphens, context features neither."""
    assert good == TypeAdapter(part).validate_python(good)
    with pytest.raises(ValidationError):
        TypeAdapter(part).validate_python(bad)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("alice@example.com", "alice@example.com"),
        (5, "5"),
        (-5, "-5"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (10**200, f"1{'0' * 200}"),
    ],
)
def test_values_are_texts_or_numbers(value: object, expected: str):
    """A number stands for the shortest text that is read as the same number."""
    assert expected == TypeAdapter(FeatureValue).validate_python(value)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (True, "a context value is a string"),
        (False, "a context value is a string"),
        (None, "a context value is a string"),
        (["a"], "a context value is a string"),
        ({}, "a context value is a string"),
        ("", "'' is no context value: it is empty"),
        ("a\n", "it has a control character"),
        ("*mia", r"'\*mia' is no context value: it begins with \*"),
        ("é" * 257, "it has 257 characters"),
    ],
)
def test_what_is_no_value_is_refused(value: object, fault: str):
    """The error says why."""
    with pytest.raises(ValidationError, match=fault):
        TypeAdapter(FeatureValue).validate_python(value)


@pytest.mark.parametrize(("text", "expected"), [("1.0", "1.0"), ("00.00", "0.0"), ("999999999.010", "999999999.10")])
def test_versions_lose_leading_zeros(text: str, expected: str):
    """Equal versions are equal texts."""
    assert expected == TypeAdapter(Version).validate_python(text)


@pytest.mark.parametrize(
    "text", ["1", "1.", ".1", "1.0\n", "1,0", "+1.0", "1234567890.0", "1.0000000000", "1.\u0660", 1, True, 1e300]
)
def test_versions_are_two_numbers(text: object):
    """Of at most nine digits each."""
    with pytest.raises(ValidationError):
        TypeAdapter(Version).validate_python(text)


def test_a_type_is_parsed():
    """It comes out in canonical form."""
    adapter = TypeAdapter(WireType, config={"arbitrary_types_allowed": True})
    assert 'Enum["b",1]' == str(adapter.validate_python('Enum [1, "b"]'))


def test_a_declaration_is_translated():
    """Everything of the body is in what the operation takes."""
    body = SettingDeclaration.model_validate(
        {
            "name": "a",
            "configurable_features": ["x", "y"],
            "type": "int",
            "default_value": 1,
            "metadata": {"k": [None]},
            "alias": "b",
            "version": "01.2",
        }
    )
    assert (
        Declaration(
            name="a",
            configurable_features=frozenset({"x", "y"}),
            type=parse_value_type("int"),
            default_value=1,
            version="1.2",
            metadata={"k": [None]},
            alias="b",
        )
        == body.to_declaration()
    )


@pytest.mark.parametrize("body", [{}, {"to_after": "a", "to_before": "b"}, {"to_after": None, "to_before": None}])
def test_a_move_has_one_target(body: dict):
    """Neither none nor two."""
    with pytest.raises(ValidationError, match="either to_after or to_before"):
        ContextFeatureMove.model_validate(body)
