"""What a service says that differs between a declaration and its setting, in words."""

import json
from collections.abc import Mapping
from typing import Any, Final

from heksher.value_type import JSON, shorten

# Of each of two values, in characters.
_MAX_SHOWN: Final = 60

# What comes of describing differences that are not as the API promises; what they are decides which of these.
MALFORMED: Final = (ValueError, LookupError, TypeError, RecursionError)


# Any: what is not as promised is noticed by the caller.
def describe_differences(declared: Mapping[str, JSON], differences: Any, *, is_service_newer: bool) -> list[str]:
    """Say what differs, with both values, the newer one last.

    Args:
        declared: the declaration's JSON.
        differences: as the service answered them.
        is_service_newer: whether the service's values are the newer ones; else the declaration's are.

    Raises:
        ValueError, LookupError, TypeError, RecursionError: they are not what the API promises (see ``MALFORMED``).
    """
    return [_describe(declared, difference, is_service_newer) for difference in differences]


def _describe(declared: Mapping[str, JSON], difference: Any, is_service_newer: bool) -> str:
    if "message" in difference:
        return str(difference["message"])
    attribute = difference["attribute"]
    of_service, of_program = (
        shorten(json.dumps(value), _MAX_SHOWN) for value in (difference["latest_value"], declared[attribute])
    )
    before, after = (of_program, of_service) if is_service_newer else (of_service, of_program)
    return f"{'default' if attribute == 'default_value' else attribute} changed {before} → {after}"
