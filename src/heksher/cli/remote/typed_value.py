"""Values of settings as arguments: JSON, or a text without quotes where a setting has texts."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from heksher.cli.remote.exit_status import CommandError, ExitStatus
from heksher.value_type import parse_value_type, shorten


def read_typed_value(text: str, setting: str, type_text: str) -> Any:
    """Return the value of a setting's type that a text stands for: as JSON, or, where that is none, the text itself.

    Args:
        text: what somebody has typed.
        setting: the setting's name, for the error.
        type_text: the setting's type.

    Raises:
        CommandError: it stands for none.
    """
    value_type = parse_value_type(type_text)
    for value in _read(text):
        if value_type.accepts(value):
            return value
    raise CommandError(
        f"{shorten(text)!r} is no value of setting {setting!r}, whose type is {type_text}: write it as JSON, such as"
        """ 10, true, '"text"' or '[1, 2]'""",
        ExitStatus.FAILED,
    )


def _read(text: str) -> Iterator[Any]:
    with suppress(ValueError, RecursionError):
        yield json.loads(text)
    yield text
