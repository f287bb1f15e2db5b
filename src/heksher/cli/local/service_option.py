"""Command-line options for the options of the service, built from the table in ``heksher.server.options``."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from heksher.cli.shared_option import Decorator
from heksher.cli.whole_number import WholeNumber
from heksher.server.address_kind import PublicURL
from heksher.server.oidc_kind import GroupGrants, Issuer
from heksher.server.option_kind import Choice, Number, OptionKind, Text, Truth
from heksher.server.options import ASKED_HOST, ASKED_PORT, LASTING_DATABASE, OPTIONS, Option


def add_options(options: Iterable[Option]) -> Decorator:
    """Return a decorator that adds options to a command. The command gets them by name, ``None`` if not given."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        # Decorators apply in reverse, so the last one applied becomes the first option.
        for option in reversed([option for option in options if option.flag is not None]):
            command = _make_decorator(option)(command)
        return command

    return decorate


def _make_decorator(option: Option) -> Decorator:
    flag = option.flag or ""
    names = f"{flag}/--no-{flag.removeprefix('--')}" if isinstance(option.kind, Truth) else flag
    return click.option(
        names,
        option.name,
        default=None,
        type=_find_type(option.kind),
        metavar=_find_metavar(option),
        help=_help(option),
    )


def _find_type(kind: OptionKind) -> click.ParamType[Any] | None:
    # What click has no type for, the option reads itself.
    if isinstance(kind, Number) and not kind.is_zero_valid:
        return WholeNumber(kind.least, kind.most)
    return click.Choice(kind.words) if isinstance(kind, Choice) else None


def _find_metavar(option: Option) -> str | None:
    match option.kind:
        case Text(metavar):
            return metavar
        case PublicURL() | Issuer():
            return "URL"
        case GroupGrants():
            return "GROUP=GRANT;..."
        case Number():
            return "N"
        case Choice() | Truth():
            return None
        case _:
            return "A,B,C"


def _help(option: Option) -> str:
    sources = [] if option.variable is None else [f"env: {option.variable}"]
    sources.append(f"default: {option.describe_default()}")
    return f"{option.help[0].upper()}{option.help[1:]}.  [{'; '.join(sources)}]"


service_options: Final[Decorator] = add_options(OPTIONS)
database_option: Final[Decorator] = add_options([LASTING_DATABASE])
address_options: Final[Decorator] = add_options([ASKED_HOST, ASKED_PORT])
