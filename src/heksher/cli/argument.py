"""The kinds of arguments and options that the commands have besides those of the service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from heksher.server.option_kind import show


class FilePath(click.ParamType[Path]):
    """The path of a file. What is another thing is not shown: it may have a password."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        from heksher.server.storage.dialects import is_file_name  # noqa: PLC0415 - see cli.serve

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
            self.fail(f"{show(value)} is a directory, and this has to be the path of a file", param, ctx)
        return path


class WholeNumber(click.IntRange):
    """A whole number within bounds; the error says which ones there are."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            end = "on" if self.max is None else f"to {self.max}"
            self.fail(f"{show(str(value))} is no whole number from {self.min} {end}", param, ctx)
        return number


file_argument: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.argument("file", type=FilePath())
