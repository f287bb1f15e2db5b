"""What is said of proposals: what they wait for, or how they have ended."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from heksher.cli.output import note, tell
from heksher.cli.remote.description import describe_time, write_json
from heksher.cli.remote.write import tell_trial
from heksher.cli.text_table import draw_fitting_table, make_printable

# A proposal as the API tells it.
Proposal = Mapping[str, Any]

_HEADINGS: Final = ("ID", "STATE", "AUTHOR", "MADE (UTC)", "WRITES", "HOW IT STANDS", "WHY")


def tell_outcome(proposal: Proposal) -> None:
    """Say how a proposal stands that somebody has made, approved, declined or withdrawn."""
    tell(f"proposal {proposal['id']} {_say_state(proposal)}")
    if others := proposal.get("open_conflicts"):
        note(f"note: other open proposals are about the same: {', '.join(map(str, others))}; the first to come wins")


def tell_list(proposals: Iterable[Proposal]) -> None:
    """Write a table of proposals."""
    if rows := [_make_row(proposal) for proposal in proposals]:
        tell(draw_fitting_table(_HEADINGS, rows))
    else:
        note("no such proposals")


def tell_whole(proposal: Proposal) -> None:
    """Write a proposal with its writes, and what they would do now."""
    tell_list([proposal])
    operations = proposal["operations"]
    rows = [(each["method"], each["path"], write_json(each.get("body"))) for each in operations]
    tell(draw_fitting_table(("METHOD", "PATH", "BODY"), rows))
    if proposal["preview"] is not None:
        tell_trial(proposal["preview"])
    elif proposal["problem"]:
        tell(f"it could not be applied now: {make_printable(proposal['problem'])}")


def _make_row(proposal: Proposal) -> tuple[str, ...]:
    return (
        str(proposal["id"]),
        proposal["state"],
        make_printable(proposal["author"] or "unknown"),
        describe_time(proposal["created_at"]),
        str(proposal["size"]),
        _say_state(proposal),
        proposal["reason"] or "",
    )


def _say_state(proposal: Proposal) -> str:
    end = proposal["end"]
    if end is None:
        return f"waits for {' and for '.join(_list_waits(proposal)) or 'its turn'}"
    told = f"is {proposal['state']}"
    if end["revision"] is not None:
        told += f" as revision {end['revision']}"
    return f"{told}: {make_printable(end['reason'])}" if end["reason"] else told


def _list_waits(proposal: Proposal) -> Iterator[str]:
    if proposal["is_waiting_for_approval"]:
        yield "a second person"
    if proposal["at"] is not None:
        yield f"{describe_time(proposal['at'])} UTC"
    if proposal["after"] is not None:
        yield f"proposal {proposal['after']}"
