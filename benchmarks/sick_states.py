"""Prints what a service says and does in each sick state of its database: ``make sick-states``."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.sick_play import Look, Played, play
from tests.hostile.sick_states import STATES, SickState, can_mount

_HEAD = (
    "state", "noticed after", "health, ready", "database, writes", "database_up, writes_possible", "writes; reads",
    "log", "writes again after",
)  # fmt: skip
_LOG_CHARACTERS = 110
# The time, and where the message comes from.
_LOG_BEGINNING = re.compile(r"^[\d-]+ [\d:,]+ (\w+) [\w.]+: ")


def describe(state: SickState, played: Played) -> str:
    """Return the row of a table in Markdown."""
    recovered = _show_seconds(played.recovered_s) + (" and a restart" if played.is_restarted else "")
    cells = (
        state.name,
        _show_seconds(played.found_s) + ("" if state.is_found else ", of a refused write"),
        *_describe_look(played.sick),
        f"{_show(sorted(played.writes))}; {_show(sorted(played.reads))}",
        _describe_log(played.log),
        recovered,
    )
    return f"| {' | '.join(cells)} |"


def _describe_look(look: Look) -> tuple[str, ...]:
    return _show((look.health, look.ready)), _show((look.database, look.writes)), _show(look.gauges)


def _describe_log(lines: Sequence[str]) -> str:
    told = [_LOG_BEGINNING.sub(r"\1 ", line) for line in lines if re.search(" (WARNING|ERROR) ", line)]
    if not told:
        return f"{len(lines)} lines"
    return f"{told[0][:_LOG_CHARACTERS]} ... ({len(lines)} lines)"


def _show(values: Sequence[object]) -> str:
    return ", ".join(
        "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in values
    )


def _show_seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


def main(arguments: Sequence[str]) -> int:
    """Play the states and print the table; return 1 if one was not noticed or did not end."""
    parser = argparse.ArgumentParser(prog="make sick-states", description=__doc__)
    parser.add_argument("--only", default="", help="play only the states with this in their name")
    parser.add_argument("--source", type=Path, help="play with another source tree, such as a worktree")
    options = parser.parse_args(arguments)
    if options.source is not None:
        os.environ["PYTHONPATH"] = str(options.source / "src")
    print(f"| {' | '.join(_HEAD)} |\n|{' --- |' * len(_HEAD)}")
    is_well = True
    for state in STATES:
        if options.only not in state.name:
            continue
        if state.needs_mount and not can_mount():
            print(f"| {state.name} | this user may not mount a file system |{' |' * (len(_HEAD) - 2)}")
            continue
        played = play(state)
        is_well &= played.found_s is not None and played.recovered_s is not None
        print(describe(state, played), flush=True)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
