"""Code shared by the commands that work on a database. Imports the service only when a command runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from heksher.exceptions import HeksherError

if TYPE_CHECKING:
    from heksher.server.config import Config


def load_config(database: str | None) -> "Config":
    """Return the configuration that a service would have with this option and the environment.

    Raises:
        StartupError: a value is invalid; the message names its source.
    """
    from heksher.server import config_reader  # noqa: PLC0415 - see above

    return config_reader.load_config(os.environ, {"database": database})


@contextmanager
def telling_errors() -> Iterator[None]:
    """Exit with a one-line message if the block raises an error of this package."""
    try:
        yield
    except HeksherError as error:
        raise click.ClickException(" ".join(str(error).split())) from None
