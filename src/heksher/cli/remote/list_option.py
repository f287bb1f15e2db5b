"""Which part of a list is wanted: how much of it, and what of it."""

from collections.abc import Mapping

import click

from heksher.cli.shared_option import Decorator
from heksher.cli.whole_number import WholeNumber


def at_most_option(default: int) -> Decorator:
    """Return a decorator that lets a command be told how many items are wanted."""
    return click.option(
        "--limit",
        type=WholeNumber(1),
        default=default,
        metavar="N",
        help=f"How many are told at most.  [default: {default}]",
    )


def choose(wanted: Mapping[str, str | int | None]) -> dict[str, str]:
    """Return the parameters of a request: those options that were given."""
    return {name: str(value) for name, value in wanted.items() if value is not None}
