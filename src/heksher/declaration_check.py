"""Checks of the arguments of a setting: what no service would accept is refused where the setting is created."""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, TypeVar

from heksher.exceptions import ArgumentTypeError, InvalidDeclarationError
from heksher.setting_type import SettingType
from heksher.value_type import JSON
from heksher.wire import is_feature, is_metadata_key, is_setting_name, is_version
from heksher.wording import describe_value

T = TypeVar("T")


class Missing(Enum):
    """The default of an argument that was not passed. Not ``None``, which a caller might pass by mistake."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


def choose_features(name: str, plural: Sequence[str] | Missing, singular: Sequence[str] | Missing) -> tuple[str, ...]:
    """Return a setting's features by the keyword that was used.

    The published example spells it in the singular, existing programs in the plural.

    Raises:
        ArgumentTypeError: (a ``TypeError``) both were used, or neither, or it is no sequence.
    """
    if plural is not MISSING and singular is not MISSING:
        raise ArgumentTypeError(f"setting {name!r}: pass configurable_features or configurable_feature, not both")
    features = singular if plural is MISSING else plural
    if features is MISSING:
        raise ArgumentTypeError(f"setting {name!r}: configurable_features is missing")
    if not isinstance(features, Iterable):
        raise ArgumentTypeError(
            f"setting {name!r}: configurable_features must be names, such as ['user'], not {describe_value(features)}"
        )
    return tuple(features)


def check_default(name: str, setting_type: SettingType[T], default_value: Any) -> T:
    """Return a setting's default value as it would come back from the service.

    Raises:
        ArgumentTypeError: (a ``TypeError``) it is missing, or not a value of the type.
    """
    if default_value is MISSING:
        raise ArgumentTypeError(f"setting {name!r}: default_value is missing")
    try:
        setting_type.convert_to_heksher(default_value)
    except TypeError as error:
        raise ArgumentTypeError(
            f"the default value of setting {name!r} is not of its type, {setting_type.heksher_string()}: {error}"
        ) from None
    return setting_type.freeze(default_value)


def check_declaration(
    name: str, features: Sequence[str], alias: str | None, version: str, metadata: Mapping[str, JSON]
) -> None:
    """Check the attributes of a setting but for its type and default value.

    Raises:
        InvalidDeclarationError: an attribute is one that no service would accept; the message names it.

    Source: docs/reference/compatibility.md, the lexical rules and *Declare*.
    """
    for problem, is_wrong in (
        ("a name consists of A-Z, a-z, 0-9, _ and .", not is_setting_name(name)),
        ("configurable_features must name at least one feature", not features),
        ("a feature is repeated", len(set(features)) < len(features)),
        ("a feature consists of A-Z, a-z, 0-9 and _", not all(map(is_feature, features))),
        ("an alias consists of A-Z, a-z, 0-9, _ and .", not (alias is None or is_setting_name(alias))),
        ("the alias is an earlier name, not the name itself", alias == name),
        (f"the version {version!r} is not MAJOR.MINOR", not is_version(version)),
        ("a metadata key consists of A-Z, a-z, 0-9, _ and -", not all(map(is_metadata_key, metadata))),
        ("the metadata is not JSON", not _is_json(metadata)),
    ):
        if is_wrong:
            raise InvalidDeclarationError(
                f"setting {name!r} with the features {features} cannot be declared: {problem}"
            )


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
