"""Limits of values as JSON Schema 2020-12, of the keywords that look nothing up and always end soon.

A declaration can come from anybody who may declare one setting, and a value from anybody who may edit one. So checking
takes time that grows with the size of the value, whatever the schema: there is no ``$ref`` and no ``pattern``, and what
the library would compare pair by pair is looked up in sets.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from jsonschema.validators import create  # type: ignore[import-untyped]

from heksher.value_type import JSON, json_key, shorten

# The keywords by the form of their values. What is nested in a value is described by the keywords that have schemas.
_ANYTHING: Final[JSON] = True
_NUMBER: Final[JSON] = {"type": "number"}
_COUNT: Final[JSON] = {"type": "integer", "minimum": 0}
_NAMES: Final[JSON] = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_SCHEMA: Final[JSON] = {"$ref": "#/$defs/schema"}
_FORMS: Final[Mapping[str, JSON]] = {
    "enum": {"type": "array"},
    "const": _ANYTHING,
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": {"type": "boolean"},
    "items": _SCHEMA,
    "properties": {"type": "object", "additionalProperties": _SCHEMA},
    "required": _NAMES,
    "additionalProperties": _SCHEMA,
}
_FORM: Final = Draft202012Validator(
    {
        "type": "object",
        "$ref": "#/$defs/schema",
        "$defs": {"schema": {"type": ["object", "boolean"], "properties": dict(_FORMS), "additionalProperties": False}},
    }
)

# A keyword of the library: what it makes of its value, an instance, and the schema that it stands in.
_Keyword = Callable[[Any, Any, Any, Any], Iterator[Any]]


class _Options(list[JSON]):
    """The values of ``enum``, which are found without comparing each."""

    def __init__(self, options: Collection[JSON]) -> None:
        super().__init__(options)
        self.keys: Final = frozenset(map(json_key, options))


def _check_enum(_: Any, options: _Options, instance: Any, __: Any) -> Iterator[Any]:
    if json_key(instance) not in options.keys:
        yield ValidationError("")


def _check_unique(_: Any, is_demanded: bool, instance: Any, __: Any) -> Iterator[Any]:
    if is_demanded and isinstance(instance, list) and len(frozenset(map(json_key, instance))) < len(instance):
        yield ValidationError("")


def _check_multiple(validator: Any, divisor: Any, instance: Any, _: Any) -> Iterator[Any]:
    # As decimals: to Python, 0.3 is no multiple of 0.1.
    if validator.is_type(instance, "number") and (_read_exactly(instance) / _read_exactly(divisor)).denominator != 1:
        yield ValidationError("")


def _check_properties(validator: Any, parts: Mapping[str, Any], instance: Any, _: Any) -> Iterator[Any]:
    if isinstance(instance, Mapping):
        for name, value in instance.items():
            for error in validator.descend(value, parts.get(name, True), path=name):
                if error.validator is None:
                    # The library does not say where what ``false`` refuses stands.
                    error.path.appendleft(name)
                yield error


_OWN_KEYWORDS: Final[Mapping[str, _Keyword]] = {
    "enum": _check_enum,
    "uniqueItems": _check_unique,
    "multipleOf": _check_multiple,
    "properties": _check_properties,
}
_Validator: Final = create(
    meta_schema={},
    validators={**{name: Draft202012Validator.VALIDATORS[name] for name in _FORMS}, **_OWN_KEYWORDS},
    type_checker=Draft202012Validator.TYPE_CHECKER,
)


class LimitSchema:
    """A schema that values can be checked against. Immutable.

    Args:
        schema: one in which ``find_schema_fault`` finds none.
    """

    def __init__(self, schema: JSON) -> None:
        self._validator = _Validator(_prepare(schema))

    def accepts(self, value: JSON) -> bool:
        """Return whether a value breaks no keyword."""
        return next(self._validator.iter_errors(value), None) is None

    def find_fault(self, value: JSON) -> str | None:
        """Return in a short text which keyword a value breaks, and where; ``None`` if it breaks none."""
        error = next(self._validator.iter_errors(value), None)
        if error is None:
            return None
        part = f"{_write_place(error)}{_write(error.instance)}"
        if error.validator is None:
            return f"{part} is not allowed"
        return f'{part} breaks "{error.validator}": {_write(error.validator_value)}'


def find_schema_fault(schema: JSON) -> str | None:
    """Return in a short text why something cannot be a schema of limits; ``None`` if it can."""
    error = next(_FORM.iter_errors(schema), None)
    if error is None:
        return None
    if error.validator == "additionalProperties":
        unknown = min(error.instance.keys() - _FORMS.keys())
        return f"{_write_place(error)}{_write(unknown)} is none of the keywords {', '.join(_FORMS)}"
    return f'{_write_place(error)}{_write(error.instance)} breaks "{error.validator}": {_write(error.validator_value)}'


def _prepare(schema: Any) -> Any:
    """Return a schema with the options of each ``enum`` ready to be looked up."""
    if not isinstance(schema, Mapping):
        return schema
    prepared = dict(schema)
    if "enum" in schema:
        prepared["enum"] = _Options(schema["enum"])
    for name in ("items", "additionalProperties"):
        if name in schema:
            prepared[name] = _prepare(schema[name])
    if "properties" in schema:
        prepared["properties"] = {name: _prepare(part) for name, part in schema["properties"].items()}
    return prepared


def _read_exactly(number: float) -> Fraction:
    return Fraction(Decimal(repr(number)))


def _write_place(error: Any) -> str:
    place = "".join(f"[{json.dumps(step)}]" for step in error.absolute_path)
    return f"at {shorten(place)}: " if place else ""


def _write(value: object) -> str:
    return shorten(json.dumps(value))
