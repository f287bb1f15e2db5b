"""What every service would refuse in a declaration, refused where the setting is created."""

import json
from collections.abc import Mapping, Sequence

from heksher.exceptions import InvalidDeclarationError
from heksher.value_type import JSON
from heksher.wire import is_feature, is_metadata_key, is_setting_name, is_version


def check_declaration(
    name: str, features: Sequence[str], alias: str | None, version: str, metadata: Mapping[str, JSON]
) -> None:
    """Check the attributes of a setting but for its type and default value.

    Raises:
        InvalidDeclarationError: an attribute is one that no service would accept; the message names it.

    Source: spec/http-api.md, the lexical rules and *Declare*.
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
