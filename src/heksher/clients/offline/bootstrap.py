"""Values that come with the program: the last resort, for a start with neither service nor file of last known values.

A bootstrap is the answer to ``GET /api/v1/query``, as a file or as a mapping, optionally with the context features in
their order::

    {"settings": {"cache_ttl": {"default_value": 60, "rules": [...]}}, "context_features": ["environment", "user"]}

It is part of the program, so a mistake in it is an error when the client is created, not when it is needed. Unknown
members are ignored.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from heksher.clients.conversation.saved_state import (
    EVERYTHING,
    SavedState,
    read_document,
    read_feature_order,
    read_settings,
)
from heksher.clients.offline.file_path import read_path
from heksher.exceptions import InvalidOptionError
from heksher.value_type import JSON
from heksher.wording import describe_value

Bootstrap: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]

# It is not known when the service confirmed the values: a file's time is that of a build, or of an installation.
_UNKNOWN_TIME: Final = datetime.fromtimestamp(0, UTC)


def read_bootstrap(source: Bootstrap) -> SavedState:
    """Read a bootstrap.

    Args:
        source: the answer to a query as a mapping, which is copied, or the path of a file with it.

    Returns:
        What settings can be restored from; of no service, and with the epoch as its time. ``feature_order`` is empty
        where the bootstrap does not say it: the client's order holds.

    Raises:
        InvalidOptionError: there is no such file, or it is no answer to a query; the message says what is wrong.
    """
    name = "bootstrap" if isinstance(source, Mapping) else f"bootstrap {source!s}"
    try:
        document = read_document(_read_text(source))
        order = read_feature_order(document["context_features"]) if "context_features" in document else ()
        settings = read_settings(document.get("settings"))
    except (OSError, RecursionError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"{name} cannot be used: {error}") from error
    return SavedState(_UNKNOWN_TIME, "", EVERYTHING, order, None, settings)


def _read_text(source: object) -> bytes | str:
    if isinstance(source, str | os.PathLike):
        return read_path("it", source).read_bytes()
    if not isinstance(source, Mapping):
        raise TypeError(f"it must be a mapping, or the path of a file, not {describe_value(source)}")
    # Written and read again, it is a copy, which the program cannot change, of lists and dictionaries alone.
    return json.dumps(source, allow_nan=False, default=_to_dict)


def _to_dict(value: object) -> dict[str, JSON]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{describe_value(value)} is no JSON")
