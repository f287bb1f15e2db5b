"""Limits of values as JSON Schema: what a schema may have in it, and what is said of values."""

import time

import pytest

from heksher.server.operations.limit_schema import LimitSchema, find_schema_fault


@pytest.mark.parametrize(
    ("schema", "values", "broken"),
    [
        ({}, [1, None, "a", [{}]], {}),
        ({"enum": [1, "a", True]}, [1, 1.0, "a", True], {'false breaks "enum": [1, "a", true]': False}),
        ({"enum": [[1, {"a": 2}]]}, [[1.0, {"a": 2}]], {'[1] breaks "enum": [[1, {"a": 2}]]': [1]}),
        ({"const": 1}, [1, 1.0], {'true breaks "const": 1': True}),
        ({"minimum": 1, "maximum": 3}, [1, 3, "a", True], {'0 breaks "minimum": 1': 0, '4.5 breaks "maximum": 3': 4.5}),
        ({"exclusiveMinimum": 1}, [1.1], {'1 breaks "exclusiveMinimum": 1': 1}),
        ({"exclusiveMaximum": 1}, [0.9], {'1 breaks "exclusiveMaximum": 1': 1}),
        (
            {"minLength": 1, "maxLength": 2},
            ["a", "💩💩", 5],
            {'"" breaks "minLength": 1': "", '"abc" breaks "maxLength": 2': "abc"},
        ),
        (
            {"minItems": 1, "maxItems": 2},
            [[1], "abc"],
            {'[] breaks "minItems": 1': [], '[1, 2, 3] breaks "maxItems": 2': [1, 2, 3]},
        ),
        ({"uniqueItems": True}, [[1, True, "1"], "aa"], {'[1, 1.0] breaks "uniqueItems": true': [1, 1.0]}),
        ({"uniqueItems": False}, [[1, 1]], {}),
        ({"items": {"items": {"minimum": 0}}}, [[[0]], [], 5], {'at [0][1]: -1 breaks "minimum": 0': [[0, -1]]}),
        ({"items": False}, [[]], {'[1] breaks "items": false': [1]}),
        (
            {"properties": {"a": {"minimum": 0}}},
            [{"a": 0}, {"b": -1}, []],
            {'at ["a"]: -1 breaks "minimum": 0': {"a": -1}},
        ),
        ({"properties": {"a": {}, "b": False}}, [{"a": 1}], {'at ["b"]: 1 is not allowed': {"b": 1}}),
        ({"required": ["a"]}, [{"a": None}, 1], {'{} breaks "required": ["a"]': {}}),
        (
            {"properties": {"a": True}, "additionalProperties": False},
            [{"a": 1}],
            {'{"b": 1} breaks "additionalProperties": false': {"b": 1}},
        ),
        ({"additionalProperties": {"maximum": 5}}, [{"a": 5}], {'at ["a"]: 6 breaks "maximum": 5': {"a": 6}}),
    ],
)
def test_keywords(schema: dict, values: list, broken: dict[str, object]):
    """What each keyword lets through, and in which words it says what it does not."""
    assert find_schema_fault(schema) is None
    limits = LimitSchema(schema)
    assert [] == [value for value in values if limits.find_fault(value) is not None]
    assert {fault: fault for fault in broken} == {fault: limits.find_fault(value) for fault, value in broken.items()}


@pytest.mark.parametrize(
    ("divisor", "multiples", "others"),
    [
        (0.1, [0.3, 1, 0, -0.7, 1e300, 10**299], [0.35]),
        (3, [9, 9.0, -3, True, "x"], [10, 9.5]),
        (1e-300, [1e300], [1.5e-300]),
    ],
)
def test_multiples_are_those_of_decimals(divisor: float, multiples: list, others: list):
    """As people read them: 0.3 is three times 0.1."""
    limits = LimitSchema({"multipleOf": divisor})
    assert [] == [value for value in multiples if limits.find_fault(value) is not None]
    assert [] == [value for value in others if limits.find_fault(value) is None]


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        (True, 'true breaks "type": "object"'),
        (None, 'null breaks "type": "object"'),
        ({"pattern": "a"}, '"pattern" is none of the keywords enum, const,'),
        ({"items": {"$ref": "#"}}, 'at ["items"]: "$ref" is none of'),
        ({"properties": {"a": {"type": "int"}}}, 'at ["properties"]["a"]: "type" is none of'),
        ({"additionalProperties": 5}, 'at ["additionalProperties"]: 5 breaks "type": ["object", "boolean"]'),
        ({"minimum": "1"}, 'at ["minimum"]: "1" breaks "type": "number"'),
        ({"minLength": -1}, 'at ["minLength"]: -1 breaks "minimum": 0'),
        ({"minItems": True}, 'at ["minItems"]: true breaks "type": "integer"'),
        ({"multipleOf": 0}, 'at ["multipleOf"]: 0 breaks "exclusiveMinimum": 0'),
        ({"enum": 1}, 'at ["enum"]: 1 breaks "type": "array"'),
        ({"required": ["a", "a"]}, 'at ["required"]: ["a", "a"] breaks "uniqueItems": true'),
    ],
)
def test_what_is_no_schema(schema: object, fault: str):
    """What is wrong is named, and where it is."""
    assert (find_schema_fault(schema) or "").startswith(fault)


def test_messages_are_short():
    """However large the value, the schema and the place are."""
    schema = {"properties": {"x" * 1000: {"enum": ["y" * 1000]}}}
    assert len(LimitSchema(schema).find_fault({"x" * 1000: "z" * 1000}) or "") < 400
    assert len(find_schema_fault({"properties": {"x" * 1000: {"z" * 1000: 1}}}) or "") < 600


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"uniqueItems": True}, [[number, "a", {}] for number in range(20_000)]),
        ({"items": {"enum": [f"{number}" for number in range(20_000)]}}, ["19999"] * 20_000),
        ({"items": {"properties": {f"{number}": {} for number in range(20_000)}}}, [{}] * 20_000),
        ({"items": {"required": [f"{number}" for number in range(20_000)]}}, [{}] * 20_000),
        ({"additionalProperties": {"enum": list(range(20_000))}}, {f"{number}": 1 for number in range(20_000)}),
    ],
)
def test_the_time_grows_with_the_value_alone(schema: dict, value: object):
    """What would be compared pair by pair, 400,000,000 times here, is not."""
    limits = LimitSchema(schema)
    started_s = time.process_time()
    limits.find_fault(value)
    assert time.process_time() - started_s < 20


def test_values_are_as_deep_as_bodies_can_be():
    """Sixty-four levels need no deeper stack."""
    schema: dict = {"maximum": 5}
    value: object = 6
    for _ in range(64):
        schema, value = {"items": schema}, [value]
    assert find_schema_fault(schema) is None
    assert (LimitSchema(schema).find_fault(value) or "").endswith('6 breaks "maximum": 5')
