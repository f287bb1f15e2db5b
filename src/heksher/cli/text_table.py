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
# What a column has at most that is never broken: a number, a time, a name.
_NARROW_PLACES: Final = 20


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
    widths = [max(map(_measure, column)) for column in zip(headings, *rows, strict=True)]
    kept = [each for each in widths if each <= _NARROW_PLACES]
    # Where there is no room even for the others, each column is broken, as what does not fit would be left out.
    has_room = sum(kept) + (len(widths) - len(kept)) * _NARROW_PLACES + len(_GAP) * len(widths) <= width
    table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False)
    for heading, places in zip(headings, widths, strict=True):
        table.add_column(heading, overflow="fold", no_wrap=has_room and places <= _NARROW_PLACES)
    for row in rows:
        # As texts: in a string, what stands in brackets would be markup.
        table.add_row(*(Text(_show(cell)) for cell in row))
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


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
