"""Tables for people who read them in a terminal."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_GAP: Final = "  "


def draw_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, a line for each row and one for the headings, whose columns are as wide as they need to be."""
    lines = [headings, *([_show(cell) for cell in row] for row in rows)]
    widths = [max(map(_measure, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        _GAP.join(cell + " " * (width - _measure(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _show(text: str) -> str:
    """Return a text without what a terminal would take for a command; an empty one as a dash."""
    return (text if text.isprintable() else repr(text)[1:-1]) or "-"


def _measure(text: str) -> int:
    """Return how many places of a terminal a text takes: letters of some scripts take two, and accents none."""
    return sum(_count_places(character) for character in text)


def _count_places(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
