"""Tables for terminals."""

import re

import pytest

from heksher.cli import text_table
from heksher.cli.text_table import draw_fitting_table, draw_table

HEADINGS = ("N", "CONDITIONS", "WHY")
ROWS = [("1", "environment=production user=ada", "[bold]a rule that stands in brackets[/bold]"), ("2", "", "")]


@pytest.fixture
def draw_at_terminal(monkeypatch: pytest.MonkeyPatch):
    """Draws the table above as for a terminal that is so wide, and returns its lines without colours."""

    def draw(columns: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(text_table.sys.stdout, "isatty", lambda: True, raising=False)
        return re.sub(r"\x1b\[[0-9;]*m", "", draw_fitting_table(HEADINGS, ROWS)).splitlines()

    return draw


def test_a_table_that_fits_is_the_plain_one(draw_at_terminal):
    """What looks like markup is none."""
    assert draw_table(HEADINGS, ROWS).splitlines() == [line.rstrip() for line in draw_at_terminal(120)]


@pytest.mark.parametrize("columns", [20, 45, 60])
def test_a_table_is_as_wide_as_the_terminal(draw_at_terminal, columns: int):
    """Cells are broken, and nothing is left out."""
    lines = draw_at_terminal(columns)
    assert max(map(len, lines)) <= columns
    shown = "".join("".join(lines).split())
    assert len("".join("".join((*HEADINGS, *sum(ROWS, ()))).split())) + 2 == len(shown)


def test_anywhere_else_nothing_is_broken():
    """A row is a line, also where a terminal is narrow."""
    assert draw_table(HEADINGS, ROWS) == draw_fitting_table(HEADINGS, ROWS)


def test_columns_are_as_wide_as_their_widest_cell():
    """With nothing at the end of a line, and a dash for nothing."""
    assert "NAME  GRANTS\na     read\nlong  -" == draw_table(("NAME", "GRANTS"), [("a", "read"), ("long", "")])


def test_a_table_without_rows_is_its_headings():
    """Which say what there would be."""
    assert "NAME  GRANTS" == draw_table(("NAME", "GRANTS"), [])


def test_letters_count_as_terminals_show_them():
    """Some take two places, and an accent on its own none."""
    assert "N     G\n李李  a\ne\u0301     b\né     c" == draw_table(
        ("N", "G"), [("李李", "a"), ("e\u0301", "b"), ("é", "c")]
    )


def test_a_terminal_is_sent_no_commands():
    """Whatever somebody is called elsewhere."""
    assert "N\n\\x1b[2Ja\\nb\\u202e" == draw_table(("N",), [("\x1b[2Ja\nb\u202e",)])


def test_what_is_narrow_is_not_broken(monkeypatch: pytest.MonkeyPatch):
    """Headings, numbers and days are read as a whole, also where what is wide has no room."""
    headings = ("REVISION", "WHEN (UTC)", "WHO", "WHAT", "CONDITIONS", "CHANGE", "WHY")
    wide = "rule 2 of upload_limit_mb"
    row = ("6", "2026-11-29 01:44:24", "Bob (not proved)", wide, "environment=production", "value 500 -> 5", "more")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(text_table.sys.stdout, "isatty", lambda: True, raising=False)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", draw_fitting_table(headings, [row])).splitlines()
    assert ([*headings], ["6", "2026-11-29"]) == (re.split("  +", lines[0].rstrip()), lines[1].split()[:2])
