"""Code shared by the commands that work on a database. Imports the service only when a command runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from heksher.exceptions import HeksherError

if TYPE_CHECKING:
    from heksher.server.config import Config
    from heksher.server.storage.base import Origin, Storage


def load_config(database: str | None) -> "Config":
    """Return the configuration that a service would have with this option and the environment.

    Raises:
        StartupError: a value is invalid; the message names its source.
    """
    from heksher.server import config_reader  # noqa: PLC0415 - see above

    return config_reader.load_config(os.environ, {"database": database})


@contextmanager
def open_database(database: str | None, *, is_making: bool = False) -> "Iterator[Storage]":
    """Open the database that a service with this option and the environment would have, for the block.

    Exits with a one-line message if that cannot be done, or if the block raises an error of this package.

    Args:
        database: the value of the option.
        is_making: whether a database that is not there yet is made.
    """
    with telling_errors():
        config = load_config(database)
        from heksher.server.run import make_default_directory  # noqa: PLC0415 - see above
        from heksher.server.storage.maintenance import opening  # noqa: PLC0415

        if is_making:
            make_default_directory(config)
        with opening(config.database, is_making=is_making) as storage:
            yield storage


def make_origin() -> "Origin":
    """Return whom the change log names for what a command writes, since whoever runs it need not prove who they are."""
    from heksher.server.storage.base import Origin  # noqa: PLC0415 - see above

    return Origin("heksher", "on the machine, by heksher access")


@contextmanager
def telling_errors() -> Iterator[None]:
    """Exit with a one-line message if the block raises an error of this package."""
    try:
        yield
    except HeksherError as error:
        raise click.ClickException(" ".join(str(error).split())) from None
