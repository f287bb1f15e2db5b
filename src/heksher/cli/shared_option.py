"""The options that commands of both kinds have."""

from collections.abc import Callable
from typing import Any, Final

import click

# What decorates the function of a command.
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Final[Decorator] = click.option("--json", "is_json", is_flag=True, help="Write JSON, for programs.")
