"""Proposing writes, which are tried first."""

from typing import Final, NamedTuple

import click

from heksher.cli.output import tell
from heksher.cli.remote.description import write_json
from heksher.cli.remote.exit_status import CommandError, ExitStatus
from heksher.cli.remote.moment import DueTime
from heksher.cli.remote.operation_file import Operations
from heksher.cli.remote.proposal_text import tell_outcome
from heksher.cli.remote.service import Service
from heksher.cli.remote.write import WriteOptions, write_all
from heksher.cli.shared_option import Decorator
from heksher.cli.whole_number import WholeNumber
from heksher.wire import PROPOSALS_PATH


class Waiting(NamedTuple):
    """What a proposal waits for.

    Attributes:
        needs_approval: whether a second person has to approve, also where no policy demands it.
        at: before which time it is not applied; ``None`` for any time.
        after: the proposal that has to be applied first; ``None`` for none.
    """

    needs_approval: bool
    at: str | None = None
    after: int | None = None


at_option: Final[Decorator] = click.option(
    "--at", type=DueTime(), metavar="TIME", help="Not before this time, such as 2026-11-28T09:30:00Z, or 2h from now."
)
after_option: Final[Decorator] = click.option(
    "--after", type=WholeNumber(1), metavar="ID", help="Not before this proposal is applied."
)


def propose(service: Service, operations: Operations, waiting: Waiting, options: WriteOptions) -> None:
    """Propose writes, and say how that stands; with a dry run, tell what the writes would do now.

    Raises:
        CommandError: it was refused, or there was no answer.
    """
    if options.is_dry:
        _try(service, operations, options)
        return
    given = {name: value for name, value in waiting._asdict().items() if value is not None}
    answer = service.post(PROPOSALS_PATH, {"operations": operations, **given}, reason=options.reason)
    if options.is_json:
        tell(write_json(answer))
    else:
        tell_outcome(answer)


def _try(service: Service, operations: Operations, options: WriteOptions) -> None:
    try:
        write_all(service, operations, options, "")
    except CommandError as error:
        if error.status is not ExitStatus.NOT_PERMITTED:
            raise
        # A policy holds back what is tried, too, but not what is proposed.
        text = f"{error.message}; what is proposed can be tried: heksher proposals ID tells what it would do"
        raise CommandError(text, error.status) from None
