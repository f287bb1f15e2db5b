"""The kinds of arguments that commands have."""

from datetime import timedelta
from pathlib import Path

import click
import pytest

from heksher.cli.local.argument import FilePath, GrantText, Lifetime
from heksher.server.access.grants import Grant, Role


@pytest.mark.parametrize("text", ["a.db", "/a/b.db", "with space?and#.db", "./postgresql://a", "./12:00@x", "file"])
def test_a_path_is_taken(text: str):
    """Whatever it looks like behind a slash."""
    assert Path(text) == FilePath().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_path_is_refused(text: str):
    """A variable of a shell that was never set leaves it; it would be the working directory."""
    with pytest.raises(click.BadParameter, match="is empty"):
        FilePath().convert(text, None, None)


@pytest.mark.parametrize(
    "text", ["postgresql://u:pa55@h/db", "sqlite:///pa55", "u:pa55@h", "host=h password=pa55", "memory:", "file:pa55"]
)
def test_what_is_no_path_is_refused(text: str):
    """It is not shown, and the message says what can be done."""
    with pytest.raises(
        click.BadParameter, match=r"--db, and a file that is really called so with \./ before"
    ) as raised:
        FilePath().convert(text, None, None)
    assert "pa55" not in raised.value.message


@pytest.mark.parametrize("text", [".", "/", "./"])
def test_a_directory_is_refused(text: str):
    """Where a file is needed."""
    with pytest.raises(click.BadParameter, match=f"'{text}' is a directory"):
        FilePath().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", timedelta(days=1)), ("36500", timedelta(days=36500)), ("never", timedelta.max)],
)
def test_something_lasts_for_days_or_for_ever(text: str, expected: timedelta):
    """Whole ones."""
    assert expected == Lifetime().convert(text, None, None)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "36501", "", "Never", "1d"])
def test_the_error_says_how_long_something_can_last(text: str):
    """In days, or for ever."""
    with pytest.raises(click.BadParameter, match="from 1 to 36500, nor is it never"):
        Lifetime().convert(text, None, None)


def test_a_grant_is_taken():
    """Or refused with the words of whoever reads it."""
    assert Grant(Role.EDIT, "in.") == GrantText().convert("edit:in.", None, None)
    with pytest.raises(click.BadParameter, match="'edits' is no grant"):
        GrantText().convert("edits", None, None)
