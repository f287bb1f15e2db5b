"""Checks of the arguments of a setting: what no service will accept is warned of where the setting is created.

It is a warning because existing programs run with such settings, which answer their defaults.
"""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from heksher.declared_metadata import write_metadata
from heksher.exceptions import ArgumentTypeError, DeclarationWarning, InvalidDeclarationError, InvalidTypeError
from heksher.setting_type import SettingType
from heksher.value_type import parse_value_type, shorten
from heksher.wire import DOT_SEGMENTS, can_be_stored_name, is_feature, is_metadata_key, is_version
from heksher.wording import describe_value


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


class DeclaredAttributes(NamedTuple):
    """What a setting is declared with, as it was given."""

    name: str
    features: Sequence[str]
    type: SettingType[Any]
    default_value: Any
    metadata: Mapping[str, object]
    alias: str | None
    version: str


def parse_version(name: str, version: str) -> tuple[int, ...]:
    """Return the numbers of a version: two, or one where the second is missing.

    Raises:
        InvalidDeclarationError: (a ``ValueError``) it has something else than numbers, or more than two.
    """
    try:
        return tuple(int(part) for part in version.split(".", 1))
    except ValueError:
        raise InvalidDeclarationError(f"setting {name!r}: the version {version!r} is not MAJOR.MINOR") from None


def warn_of_refusal(declaration: DeclaredAttributes, stack_level: int) -> None:
    """Warn, with a ``DeclarationWarning``, of a declaration that no service will accept.

    Args:
        declaration: what is declared.
        stack_level: how many calls up the program's own one is, as seen by the caller.

    Source: docs/reference/compatibility.md, the lexical rules and *Declare*.
    """
    problems = list(_find_problems(declaration))
    if problems:
        text = f"setting {declaration.name!r} will be refused by the service, and answer its default: "
        warnings.warn(text + "; ".join(problems), DeclarationWarning, stacklevel=stack_level + 1)


def _find_problems(declaration: DeclaredAttributes) -> Iterator[str]:
    name, features, alias, metadata = declaration.name, declaration.features, declaration.alias, declaration.metadata
    for problem, is_wrong in (
        ("a name consists of A-Z, a-z, 0-9, _ and .", not can_be_stored_name(name)),
        (f"no setting can be named {name!r}", name in DOT_SEGMENTS),
        ("configurable_features must name at least one feature", not features),
        ("a feature is repeated", len(set(features)) < len(features)),
        ("a feature consists of A-Z, a-z, 0-9 and _", not all(map(is_feature, features))),
        ("an alias consists of A-Z, a-z, 0-9, _ and .", not (alias is None or can_be_stored_name(alias))),
        (f"no alias can be {alias!r}", alias in DOT_SEGMENTS),
        ("the alias is an earlier name, not the name itself", alias == name),
        (f"the version {declaration.version!r} is not MAJOR.MINOR", not is_version(declaration.version)),
        ("a metadata key consists of A-Z, a-z, 0-9, _ and -", not all(map(is_metadata_key, metadata))),
        ("the metadata is not JSON", not _is_json(metadata)),
    ):
        if is_wrong:
            yield problem
    yield from _find_wrong_type(declaration.type)
    yield from _find_wrong_default(declaration.type, declaration.default_value)


def _find_wrong_type(setting_type: SettingType[Any]) -> Iterator[str]:
    try:
        parse_value_type(setting_type.heksher_string())
    except InvalidTypeError as error:
        yield f"the type cannot be declared: {error}"


def _find_wrong_default(setting_type: SettingType[Any], default_value: object) -> Iterator[str]:
    try:
        setting_type.convert_to_heksher(default_value)
    # A program's own type may fail in any way.
    except Exception as error:  # noqa: BLE001 - see above
        text = str(error) or repr(error)
        yield f"the default value is not of the type {shorten(setting_type.heksher_string())}: {text}"


def _is_json(metadata: Mapping[str, object]) -> bool:
    try:
        json.dumps(write_metadata(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
