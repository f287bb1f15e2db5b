"""Models of request bodies, and the lexical rules of their parts.

Patterns are anchored at both ends, and pydantic's ``$`` matches only at the very end, so a trailing newline is refused
(known fault 35).

Source: docs/reference/compatibility.md.
"""

from typing import Annotated, ClassVar

from fastapi import Body
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SkipValidation,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from heksher import wire
from heksher.context_value import find_value_fault
from heksher.server.limits import (
    MAX_CONTEXT_FEATURES,
    MAX_DECLARATIONS,
    MAX_METADATA_KEYS,
    MAX_NAME_CHARACTERS,
    MAX_QUERY_FILTERS,
    MAX_QUERY_SETTINGS,
    MAX_VALUE_CHARACTERS,
    MAX_VERSION_DIGITS,
)
from heksher.server.operations.differences import Declaration
from heksher.server.operations.versions import FIRST_VERSION, normalize_version
from heksher.value_type import MAX_TYPE_CHARACTERS, ValueType, parse_value_type, shorten


def _constrain(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=f"^{pattern}$", max_length=MAX_NAME_CHARACTERS)


def _read_type(text: object) -> ValueType:
    if not isinstance(text, str):
        raise ValueError("a type is written as a string")  # noqa: TRY004 - pydantic reports ValueErrors, no TypeErrors
    return parse_value_type(text)


def _write_number(value: object) -> object:
    """Return a number as text: programs written for the existing service send some where it expects a string."""
    # bool is a kind of int, but true is no number. The text is the shortest that is read as this number again.
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def read_value_text(value: object) -> str:
    """Return the text that stands for a context value in JSON; a number stands for its own.

    Raises:
        ValueError: nothing else does.
    """
    text = _write_number(value)
    if not isinstance(text, str):
        raise ValueError("a context value is a string, or a number that stands for its text")  # noqa: TRY004 - as above
    return text


def _require_value(text: str) -> str:
    if fault := find_value_fault(text):
        raise ValueError(f"{shorten(repr(text))} is no context value: {fault}")
    return text


def limit(most: int, what: str) -> BeforeValidator:
    """Return a check of how many there are, made before each of them is looked at: a million faults take seconds."""

    def check(value: object) -> object:
        if isinstance(value, list | dict) and len(value) > most:
            raise ValueError(f"{what} are at most {most}, not {len(value)}")
        return value

    return BeforeValidator(check)


def _refuse_dot_segment(name: str) -> str:
    if name in wire.DOT_SEGMENTS:
        raise ValueError(f"no setting can be named {name!r}, which a path cannot have: add a letter, a digit or a _")
    return name


def _refuse_repeats(features: list[str]) -> list[str]:
    if repeated := sorted({feature for feature in features if features.count(feature) > 1}):
        raise ValueError(f"context features stand twice: {repeated}")
    return features


_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_VALUE_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {
                "type": "string",
                "maxLength": MAX_VALUE_CHARACTERS,
                # What follows the pattern can still be wrong: the text <none>, and one that is not in the form NFC.
                "pattern": rf"^[^*\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?$",
            },
            {"type": "number"},
        ],
        "description": "any text in the normal form NFC; a number stands for its shortest text",
        "examples": ["guest", "alice@example.com"],
    }
)

_NUMBER_TOO = BeforeValidator(_write_number)
Feature = Annotated[str, _constrain(wire.FEATURE_PATTERN), _NUMBER_TOO]
FeatureValue = Annotated[str, BeforeValidator(read_value_text), AfterValidator(_require_value), _VALUE_SCHEMA]
SettingName = Annotated[
    str,
    _constrain(wire.SETTING_NAME_PATTERN),
    AfterValidator(_refuse_dot_segment),
    _NUMBER_TOO,
    Field(json_schema_extra={"not": {"enum": sorted(wire.DOT_SEGMENTS)}}),
]
MetadataKey = Annotated[str, _constrain(wire.METADATA_KEY_PATTERN)]
Version = Annotated[
    str,
    StringConstraints(pattern=f"^{wire.make_version_pattern(MAX_VERSION_DIGITS)}$"),
    AfterValidator(normalize_version),
    _NUMBER_TOO,
    Field(examples=["1.1"]),
]
# The body was parsed strictly, so any value is JSON already.
AnyJSON = Annotated[JsonValue, SkipValidation]
# A value that a filter lists. Checked by ``query_parameters``: a body can have so many that it takes a thread.
ListedValue = Annotated[AnyJSON, _VALUE_SCHEMA]
# The schema that pydantic generates has the pattern of the keys, but does not forbid other keys.
_NO_OTHER_KEYS: dict[str, JsonValue] = {"additionalProperties": False}
MetadataField = Annotated[
    dict[MetadataKey, AnyJSON],
    Field(max_length=MAX_METADATA_KEYS, examples=[{"owner": "web-team"}], json_schema_extra=_NO_OTHER_KEYS),
    limit(MAX_METADATA_KEYS, "the keys of metadata"),
]
ConditionsField = Annotated[
    dict[Feature, FeatureValue],
    Field(min_length=1, max_length=MAX_CONTEXT_FEATURES, json_schema_extra=_NO_OTHER_KEYS),
    limit(MAX_CONTEXT_FEATURES, "the conditions of a rule"),
]
WireType = Annotated[
    ValueType,
    BeforeValidator(_read_type),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_TYPE_CHARACTERS,
            # What follows the pattern can still be wrong: unbalanced brackets, or options that are not JSON.
            "pattern": r"^((Sequence|Mapping) ?< ?)*(int|float|str|bool|(Enum|Flags) ?\[.*\])( ?>)*$",
            "examples": ["int", 'Enum["dark","light"]'],
        }
    ),
]
Features = Annotated[
    list[Feature],
    Field(min_length=1, max_length=MAX_CONTEXT_FEATURES, json_schema_extra={"uniqueItems": True}),
    limit(MAX_CONTEXT_FEATURES, "context features"),
    AfterValidator(_refuse_repeats),
]


# Of those that a request asks for: a list, or a text with commas; null for all.
AskedNames = Annotated[list[str] | str | None, limit(MAX_QUERY_SETTINGS, "the settings that a query names")]


class RequestModel(BaseModel):
    """Base of the bodies. Unknown fields are ignored, as existing services do."""

    model_config: ClassVar[ConfigDict] = ConfigDict(arbitrary_types_allowed=True)


class NewContextFeature(RequestModel):
    """A context feature to add."""

    context_feature: Feature = Field(examples=["environment"])


class ContextFeatureMove(RequestModel):
    """Where to move a context feature: exactly one of the two."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["to_after"]}, {"required": ["to_before"]}],
            "examples": [{"to_after": "environment"}],
        }
    )

    to_after: Feature | SkipJsonSchema[None] = None
    to_before: Feature | SkipJsonSchema[None] = None

    @model_validator(mode="after")
    def _require_one(self) -> "ContextFeatureMove":
        if (self.to_after is None) == (self.to_before is None):
            raise ValueError("give either to_after or to_before")
        return self


class SettingDeclaration(RequestModel):
    """What an application expects of a setting."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "cache_ttl",
                    "configurable_features": ["environment", "user"],
                    "type": "int",
                    "default_value": 60,
                    "metadata": {"unit": "seconds"},
                    "version": "1.0",
                }
            ]
        }
    )

    name: SettingName
    configurable_features: Features
    type: WireType
    default_value: AnyJSON
    metadata: MetadataField = {}
    alias: SettingName | None = Field(None, description="another name under which the setting is known so far")
    version: Version = FIRST_VERSION

    def to_declaration(self) -> Declaration:
        """Return the declaration that the operation takes."""
        return Declaration(
            name=self.name,
            configurable_features=frozenset(self.configurable_features),
            type=self.type,
            default_value=self.default_value,
            version=self.version,
            metadata=self.metadata,
            alias=self.alias,
        )


# Each is checked on its own, so one that breaks the rules costs no other anything.
SettingDeclarations = Annotated[
    list[Annotated[SettingDeclaration, SkipValidation]], Body(min_length=1, max_length=MAX_DECLARATIONS)
]


class Versioned(RequestModel):
    """A change of a setting, with the version that it leads to."""

    version: Version


class NewType(Versioned):
    """The new type of a setting."""

    type: WireType


class NewName(Versioned):
    """The new name of a setting."""

    name: SettingName = Field(examples=["frontend.theme"])


class NewFeatures(Versioned):
    """The context features that a setting will be configurable by."""

    configurable_features: Features


class SettingMetadata(Versioned):
    """Metadata for a setting."""

    metadata: MetadataField = {}


class SettingMetadataValue(Versioned):
    """The value of one metadata key of a setting."""

    value: AnyJSON


class NewRule(RequestModel):
    """A rule to add."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "examples": [
                {"setting": "cache_ttl", "feature_values": {"environment": "dev"}, "value": 10, "metadata": {}}
            ]
        }
    )

    setting: SettingName
    feature_values: ConditionsField
    value: AnyJSON
    metadata: MetadataField = {}


class RuleValue(RequestModel):
    """The new value of a rule."""

    value: AnyJSON = Field(examples=[10])


class RuleMetadata(RequestModel):
    """Metadata for a rule."""

    metadata: MetadataField = {}


class RuleMetadataValue(RequestModel):
    """The value of one metadata key of a rule."""

    value: AnyJSON


class QueryBody(RequestModel):
    """A query. Texts have the same form as in a query string."""

    settings: AskedNames = Field(default=None, description="names; null: all settings", examples=[["a"]])
    context_filters: Annotated[
        dict[str, list[ListedValue] | str] | str,
        limit(MAX_QUERY_FILTERS, "the context features that a query has filters for"),
    ] = Field(
        default="*",
        description="`*`: every rule; else for each context feature the values that are let through, or `*` for all",
        examples=[{"environment": ["dev"], "user": "*"}, {"user": ["alice@example.com"]}],
    )
    include_metadata: bool = Field(default=False, description="add its metadata to each rule")
    include_aliases: bool = Field(
        default=False, description="say which canonical names the aliases among the names stand for"
    )
