"""``heksher propose``, and what becomes of it: writes that wait for a second person, for a time, or for others."""

from typing import Any, Final

import click

from heksher.cli.output import note, tell
from heksher.cli.remote.description import write_json
from heksher.cli.remote.exit_status import EPILOG, write_epilog
from heksher.cli.remote.list_option import at_most_option, choose
from heksher.cli.remote.new_proposal import Waiting, after_option, at_option
from heksher.cli.remote.new_proposal import propose as propose_writes
from heksher.cli.remote.operation_file import Operations, operations_argument
from heksher.cli.remote.proposal_text import tell_list, tell_outcome, tell_whole
from heksher.cli.remote.service import connect
from heksher.cli.remote.write import WriteOptions, proposal_options, reason_option
from heksher.cli.shared_option import Decorator, json_option
from heksher.cli.whole_number import WholeNumber
from heksher.wire import PROPOSALS_PATH

_DEFAULT_PROPOSALS: Final = 20
_STATES: Final = ("open", "applied", "stale", "declined", "withdrawn")

_id_argument: Final[Decorator] = click.argument("proposal_id", metavar="ID", type=WholeNumber(1))


@click.command(
    epilog=write_epilog(
        "heksher propose writes.json --needs-approval --reason 'Black Friday'",
        "heksher propose writes.json --at 2026-11-28T09:30:00Z --after 7",
    )
)
@operations_argument
@at_option
@after_option
@click.option("--needs-approval", is_flag=True, help="A second person has to approve, also where no policy demands it.")
@proposal_options
def propose(
    operations: Operations, at: str | None, after: int | None, needs_approval: bool, options: WriteOptions
) -> None:
    """Propose the writes in FILE, which are made together later.

    They are made, as one change, when nothing is to be waited for any more, and only if all that they are about is
    still as it was; else the proposal is stale. FILE is that of heksher bulk. For a single rule, see heksher set
    --propose.
    """
    with connect() as service:
        propose_writes(service, operations, Waiting(needs_approval, at, after), options)


@click.command(epilog=EPILOG)
@click.argument("proposal_id", metavar="[ID]", type=WholeNumber(1), required=False)
@click.option("--state", type=click.Choice(_STATES), help="Only proposals in this state.")
@click.option("--setting", metavar="NAME", help="Only proposals about this setting or its rules.")
@click.option("--cursor", metavar="TEXT", help="Go on behind a list: what its next_cursor is, with --json.")
@at_most_option(_DEFAULT_PROPOSALS)
@json_option
def proposals(proposal_id: int | None, limit: int, is_json: bool, **wanted: str | None) -> None:
    """List proposals, or tell all of one.

    The newest comes first. With ID, that one is told with its writes, and what they would do now.
    """
    filters = choose(wanted)
    if proposal_id is not None and filters:
        raise click.UsageError("ID names one proposal, so there is nothing to choose: leave the options out")
    with connect() as service:
        if proposal_id is None:
            answer = service.list_all(PROPOSALS_PATH, "proposals", filters, limit)
        else:
            answer = service.get(_name_path(proposal_id))
    if is_json:
        tell(write_json(answer))
    elif proposal_id is not None:
        tell_whole(answer)
    else:
        tell_list(answer["proposals"])
        if answer["next_cursor"] is not None:
            note(f"note: there are older ones, too; --limit shows more than {limit}")


def _require_text(_ctx: click.Context, param: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty: say why", param=param)
    return text


@click.command(epilog=EPILOG)
@_id_argument
@click.option("--dry-run", "is_dry", is_flag=True, help="Approve of nothing, and tell what the proposal would do now.")
@click.option("--force", "is_forced", is_flag=True, help="As an admin, approve of a proposal of your own.")
@json_option
def approve(proposal_id: int, is_dry: bool, is_forced: bool, is_json: bool) -> None:
    """Approve of a proposal, as another person than its author.

    It is applied at once, unless it waits for something else.
    """
    with connect() as service:
        if is_dry:
            answer = service.get(_name_path(proposal_id))
        else:
            params = {"force": "true"} if is_forced else {}
            answer = service.post(_name_path(proposal_id, "approve"), None, params, reason="")
    if is_json:
        tell(write_json(answer))
    elif is_dry:
        tell_whole(answer)
    else:
        tell_outcome(answer)


@click.command(epilog=EPILOG)
@_id_argument
@click.option("--reason", required=True, metavar="TEXT", callback=_require_text, help="Why: its author is to know.")
@json_option
def decline(proposal_id: int, reason: str, is_json: bool) -> None:
    """Decline a proposal, saying why.

    Those that were to come after it are stale.
    """
    _end(proposal_id, "decline", reason, is_json=is_json)


@click.command(epilog=EPILOG)
@_id_argument
@reason_option
@json_option
def withdraw(proposal_id: int, reason: str, is_json: bool) -> None:
    """Withdraw a proposal of your own.

    Those that were to come after it are stale.
    """
    _end(proposal_id, "withdraw", reason, is_json=is_json)


def _end(proposal_id: int, what: str, reason: str, *, is_json: bool) -> None:
    with connect() as service:
        answer: Any = service.post(_name_path(proposal_id, what), {"reason": reason}, reason=reason)
    if is_json:
        tell(write_json(answer))
    else:
        tell_outcome(answer)


def _name_path(proposal_id: int, *parts: str) -> str:
    return "/".join((PROPOSALS_PATH, str(proposal_id), *parts))
