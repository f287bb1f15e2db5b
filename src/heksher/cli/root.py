"""The group that all commands belong to."""

import re
from typing import Any, Final

import click

from heksher.cli.access_commands import access
from heksher.cli.backup import backup, restore
from heksher.cli.health_check import health
from heksher.cli.import_from import import_from
from heksher.cli.migrate import migrate
from heksher.cli.prune import prune
from heksher.cli.serve import serve
from heksher.version import __version__

# What may be secret in arguments that stand where nobody expects them, such as a database without its option, or a
# token in the place of its name.
_SECRET: Final = re.compile(r"(?<=://)\S*|(?<=password=)\S+|(?<=\bhks_)[\w-]+", re.IGNORECASE)


class _Commands(click.Group):
    """Commands whose errors of use show no password."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            # A group without a command: it shows its help, in which there is nothing of the arguments.
            raise
        except click.UsageError as error:
            raise click.UsageError(_SECRET.sub("...", error.format_message()), error.ctx) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="heksher %(version)s")
def heksher() -> None:
    """Settings whose values depend on context: the Heksher service and tools for it."""


for _command in (serve, health, migrate, backup, restore, prune, import_from, access):
    heksher.add_command(_command)
