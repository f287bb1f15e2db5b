"""What the commands that work on a database have in common. The service is imported only when one is to run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from heksher.exceptions import HeksherError

if TYPE_CHECKING:
    from heksher.server.config import Config


def load_config(database: str | None) -> "Config":
    """Read the configuration that a service would have with this option and the environment.

    Raises:
        StartupError: a part of it makes no sense; the message names it.
    """
    from heksher.server import config_reader  # noqa: PLC0415 - see above

    return config_reader.load_config(os.environ, {"database": database})


@contextmanager
def telling_errors() -> Iterator[None]:
    """End the program with one line for an error of this package."""
    try:
        yield
    except HeksherError as error:
        raise click.ClickException(" ".join(str(error).split())) from None
