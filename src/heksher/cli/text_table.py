"""Tables for people: plain ones, a line for each row, and ones that fit a terminal."""

import io
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_GAP: Final = "  "
# Stands for an empty cell.
_NOTHING: Final = "-"


def draw_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, a line for each row and one for the headings, whose columns are as wide as they need to be."""
    lines = [headings, *([_show(cell) for cell in row] for row in rows)]
    widths = [max(map(_measure, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        _GAP.join(cell + " " * (width - _measure(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def draw_fitting_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table for where the standard output goes.

    On a terminal it is as wide as that, and cells are broken where there is no room for them; anywhere else nothing is
    broken, so that there is a line for each row.
    """
    return _draw_for_terminal(headings, [*rows]) if sys.stdout.isatty() else draw_table(headings, rows)


def _draw_for_terminal(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # Takes as long to import as the rest of the command line.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    width = shutil.get_terminal_size().columns
    wanted = [max(map(_measure, column)) for column in zip(headings, *rows, strict=True)]
    places = _share_out(width - len(_GAP) * (len(wanted) - 1), [*map(_measure, headings)], wanted)
    table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False)
    for heading, each in zip(headings, places, strict=True):
        table.add_column(heading, overflow="fold", width=each)
    for row in rows:
        # As texts: in a string, what stands in brackets would be markup.
        table.add_row(*(Text(_show(cell)) for cell in row))
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _share_out(room: int, least: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Return how wide columns are that cannot all be as wide as they need to be.

    The narrow ones get what they need, as numbers, times and names are read as a whole; the others have the same.

    Args:
        room: how many places there are for all of them.
        least: what each has at least, if there is room for that: its heading.
        wanted: what each needs.
    """
    places = [*least] if sum(least) <= room else [1] * len(wanted)
    for _ in range(room - sum(places)):
        growing = [index for index, each in enumerate(places) if each < wanted[index]]
        if not growing:
            break
        places[min(growing, key=places.__getitem__)] += 1
    return places


def make_printable(text: str) -> str:
    """Return a text without what a terminal would take for a command."""
    return text if text.isprintable() else repr(text)[1:-1]


def _show(text: str) -> str:
    return make_printable(text) or _NOTHING


def _measure(text: str) -> int:
    """Return how many places of a terminal a text takes: letters of some scripts take two, and accents none."""
    return sum(_count_places(character) for character in text)


def _count_places(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
