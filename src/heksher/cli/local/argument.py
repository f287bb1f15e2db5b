"""The kinds of arguments and options that the commands on this machine have besides those of the service."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from heksher.cli.shared_option import Decorator
from heksher.cli.whole_number import WholeNumber
from heksher.server.access.grants import Grant, Grants, parse_grant
from heksher.wording import show_text

# A hundred years: longer than any date that is to be written.
_MAX_DAYS: Final = 36_500
_NEVER: Final = "never"


class FilePath(click.ParamType[Path]):
    """The path of a file. What is another thing is not shown: it may have a password."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        from heksher.server.storage.dialects import is_file_name  # noqa: PLC0415 - see cli.local.serve

        if not value.strip():
            self.fail("it is empty, and has to be the path of a file", param, ctx)
        if not is_file_name(value):
            self.fail(
                "this is no path of a file, but is written as a URL or a server is; the database is named with --db,"
                " and a file that is really called so with ./ before its name",
                param,
                ctx,
            )
        if (path := Path(value)).is_dir():
            self.fail(f"{show_text(value)} is a directory, and this has to be the path of a file", param, ctx)
        return path


class Lifetime(click.ParamType[timedelta]):
    """For how many days something is valid; the longest time that there is for ``never``."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time."""
        if value == _NEVER:
            return timedelta.max
        try:
            return timedelta(days=WholeNumber(1, _MAX_DAYS).convert(value, param, ctx))
        except click.BadParameter as error:
            self.fail(f"{error.message}, nor is it {_NEVER}", param, ctx)


class GrantText(click.ParamType[Grant]):
    """A grant, such as ``edit:frontend.``."""

    name = "grant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Grant:
        """Return the grant."""
        try:
            return value if isinstance(value, Grant) else parse_grant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def grant_option(*, is_required: bool) -> Decorator:
    """Return a decorator that lets a command be given grants, as ``Grants``, at least one if that is required."""
    return click.option(
        "--grant",
        "grants",
        type=GrantText(),
        metavar="ROLE[:PREFIX.]",
        multiple=True,
        required=is_required,
        callback=lambda _context, _option, given: Grants(tuple(dict.fromkeys(given))),
        help="What is allowed, as read or edit:frontend., see 'heksher access grants'; can be given several times.",
    )


file_argument: Final[Decorator] = click.argument("file", type=FilePath())
