"""Values of settings as arguments: JSON, or a text without quotes where a setting has texts."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import click

from heksher.cli.remote.exit_status import CommandError, ExitStatus
from heksher.value_type import parse_value_type, shorten

_NEGATIVE: Final = re.compile(r"-[0-9][0-9.eE+-]*")


class ValueCommand(click.Command):
    """A command whose arguments may have a negative number among them, which would be taken for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; what looks like a negative number is none of the options."""
        ctx.ignore_unknown_options = any(map(_NEGATIVE.fullmatch, args))
        return super().parse_args(ctx, args)


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
