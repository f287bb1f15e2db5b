"""What all commands that change something share: their options, the request, and what is said of the outcome."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, NamedTuple

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import (
    PART_HEADINGS,
    count,
    describe_region,
    describe_value,
    list_parts,
    write_json,
)
from heksher.cli.remote.operation_file import Operations
from heksher.cli.remote.service import Service, ServiceAnswer
from heksher.cli.shared_option import Decorator, json_option
from heksher.cli.text_table import draw_fitting_table
from heksher.wire import BULK_PATH

# Of the changes and effects of a dry run, how many are shown; whoever wants all of them asks for JSON.
_MAX_SHOWN: Final = 50


class WriteOptions(NamedTuple):
    """How something is to be changed.

    Attributes:
        reason: why, for the history.
        is_dry: whether it is only tried.
        is_forced: whether it is done though something holds it back.
        is_json: whether the answer is written as it is.
    """

    reason: str
    is_dry: bool
    is_forced: bool
    is_json: bool


reason_option: Final[Decorator] = click.option(
    "--reason", default="", metavar="TEXT", help="Why, for the history, such as 'incident 4711'."
)
_dry_option: Final[Decorator] = click.option(
    "--dry-run", "is_dry", is_flag=True, help="Change nothing, and tell what would be changed, and in which contexts."
)
_force_option: Final[Decorator] = click.option(
    "--force",
    "is_forced",
    is_flag=True,
    help="Do it though it is held back: by a policy that demands a second person, which admins can do without, or since"
    " settings would be deleted, by a revert or while they are used.",
)


def write_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of all that change settings, which it gets as ``options``."""
    return _force_option(proposal_options(command))


def proposal_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the same options but for ``--force``: what is only proposed, nothing holds back."""

    @wraps(command)
    def packed(*args: Any, reason: str, is_dry: bool, is_json: bool, is_forced: bool = False, **more: Any) -> Any:
        return command(*args, options=WriteOptions(reason, is_dry, is_forced, is_json), **more)

    return _dry_option(reason_option(json_option(packed)))


def write_all(service: Service, operations: Operations, options: WriteOptions, done: str) -> None:
    """Make writes together, all of them or none, and say so.

    Args:
        service: the service.
        operations: the writes, as the API has them.
        options: how.
        done: what is said when it was done.

    Raises:
        CommandError: one was refused, or there was no answer.
    """
    write(service, BULK_PATH, {"operations": operations}, options, lambda _: done)


def write(
    service: Service,
    path: str,
    body: Any,
    options: WriteOptions,
    describe: Callable[[ServiceAnswer], str],
) -> None:
    """Change something, or try it, and say what came of it.

    Args:
        service: the service.
        path: of the request.
        body: of the request.
        options: how.
        describe: says what was done; is given the answer.

    Raises:
        CommandError: it was refused, or there was no answer.
    """
    given = {"dry_run": options.is_dry, "force": options.is_forced}
    answer = service.post(path, body, {name: "true" for name, is_given in given.items() if is_given}, options.reason)
    if options.is_json:
        tell(write_json(answer))
    elif options.is_dry:
        tell_trial(answer)
    else:
        tell(f"{describe(answer)} (revision {answer['revision']})")


def tell_trial(answer: ServiceAnswer) -> None:
    """Write what a write would change, and which settings would have other values."""
    size, effects = answer["size"], answer["effects"]
    if not size:
        note("nothing would be changed")
        return
    tell(f"would change {count(size, 'object')} (tried on revision {answer['revision']}):")
    tell(draw_fitting_table(PART_HEADINGS, list_parts(answer["changes"][:_MAX_SHOWN], size)))
    if not effects:
        tell("no setting would have another value in any context")
        return
    tell("and these values, in all contexts where the conditions hold:")
    headings = ("SETTING", "WHERE", "EXCEPT WHERE", "VALUE NOW", "VALUE THEN")
    tell(draw_fitting_table(headings, _list_effects(effects[:_MAX_SHOWN])))
    if len(effects) > _MAX_SHOWN or answer["has_more_effects"]:
        note(f"note: these are the first {_MAX_SHOWN}; --json tells more")


def _list_effects(effects: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, ...]]:
    for effect in effects:
        sides = (_describe_side(effect["before"]), _describe_side(effect["after"]))
        yield effect["setting"], *describe_region(effect), *sides


def _describe_side(side: Mapping[str, Any] | None) -> str:
    return "no setting" if side is None else f"{describe_value(side['value'])} ({side['source']})"
