"""The group that all commands belong to.

Each command is imported when it is asked for: one that asks a service over HTTP needs nothing of those that run one.
"""

import re
from importlib import import_module
from typing import Any, Final

import click

from heksher.version import __version__

# Where each command is: a module below this package, and the command's name there.
_COMMANDS: Final = {
    "get": ("remote.evaluation_commands", "get"),
    "why": ("remote.evaluation_commands", "why"),
    "show": ("remote.show_command", "show"),
    "rules": ("remote.rules_command", "rules"),
    "changes": ("remote.history_commands", "changes"),
    "diff": ("remote.history_commands", "diff"),
    "revert": ("remote.revert_command", "revert"),
    "set": ("remote.rule_commands", "set_value"),
    "unset": ("remote.rule_commands", "unset"),
    "bulk": ("remote.bulk_command", "bulk"),
    "propose": ("remote.proposal_commands", "propose"),
    "proposals": ("remote.proposal_commands", "proposals"),
    "approve": ("remote.proposal_commands", "approve"),
    "decline": ("remote.proposal_commands", "decline"),
    "withdraw": ("remote.proposal_commands", "withdraw"),
    "usage": ("remote.usage_commands", "usage"),
    "clients": ("remote.usage_commands", "clients"),
    "lint": ("remote.lint_command", "lint"),
    "serve": ("local.serve", "serve"),
    "health": ("local.health_check", "health"),
    "migrate": ("local.migrate", "migrate"),
    "backup": ("local.backup", "backup"),
    "restore": ("local.backup", "restore"),
    "prune": ("local.prune", "prune"),
    "import-from": ("local.import_from", "import_from"),
    "access": ("local.access_commands", "access"),
}

_SECTIONS: Final = {
    "remote.": "Commands that ask the service at HEKSHER_URL",
    "local.": "Commands on the machine of a service",
}

# What may be secret in arguments that stand where nobody expects them, such as a database without its option, or a
# token in the place of its name.
_SECRET: Final = re.compile(r"(?<=://)\S*|(?<=password=)\S+|(?<=\bhks_)[\w-]+", re.IGNORECASE)


class _Commands(click.Group):
    """Commands that are imported when they are asked for, and whose errors of use show no password."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature of click
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - see above
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"heksher.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        limit = formatter.width - 6 - max(map(len, _COMMANDS))
        for place, title in _SECTIONS.items():
            names = [name for name, (module, _) in _COMMANDS.items() if module.startswith(place)]
            rows = [
                (name, command.get_short_help_str(limit)) for name in names if (command := self.get_command(ctx, name))
            ]
            with formatter.section(title):
                formatter.write_dl(rows)

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
