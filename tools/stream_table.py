"""The table of a stream's states in the documentation, written from the one that the client runs on.

``make stream-table`` writes it; a test fails while the page shows another one.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from heksher.clients.conversation.stream_state import STREAMING, TABLE, StreamEvent, StreamState

PAGE: Final = Path(__file__).parents[1] / "docs" / "explanation" / "streams.md"
BEGIN: Final = "<!-- table: begin; written by make stream-table -->"
END: Final = "<!-- table: end -->"


def render() -> str:
    """Return the states, the events and what leads from one to another, as Markdown."""
    return "\n".join([*_list_states(), "", *_list_events(), "", *_list_steps()])


def insert(text: str, table: str) -> str:
    """Return the text of the page with the table between its markers."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


def _list_states() -> Iterator[str]:
    yield from ("| state | what it means | `is_streaming` |", "| --- | --- | --- |")
    for state in StreamState:
        yield f"| {_label(state)} | {state.value} | {'yes' if state in STREAMING else 'no'} |"


def _list_events() -> Iterator[str]:
    yield from ("| event | what happens |", "| --- | --- |")
    for event in StreamEvent:
        yield f"| {_label(event)} | {event.value} |"


def _list_steps() -> Iterator[str]:
    yield from ("| state | event | next state | what is done |", "| --- | --- | --- | --- |")
    for state, steps in TABLE.items():
        if all(step.state is state for step in steps.values()):
            yield f"| {_label(state)} | any | {_label(state)} | |"
            continue
        for event, step in steps.items():
            actions = "; ".join(action.value for action in step.actions)
            yield f"| {_label(state)} | {_label(event)} | {_label(step.state)} | {actions} |"


def _label(member: StreamState | StreamEvent) -> str:
    return member.name.lower().replace("_", " ")


def main() -> int:
    """Write the table into the page."""
    PAGE.write_text(insert(PAGE.read_text(encoding="utf-8"), render()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
