"""Points of the history as arguments."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from heksher.cli.remote.moment import DueTime, Moment


@pytest.mark.parametrize("text", ["17", "0", "2026-11-28", "2026-11-28T09:30:00Z", "2026-11-28T09:30:00.5+01:00"])
def test_what_the_api_takes_is_taken(text: str):
    """As it is."""
    assert text == Moment().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_how_long_ago_is_a_time(text: str, ago: timedelta):
    """Counted from now."""
    before = datetime.now(UTC) - ago - timedelta(milliseconds=1)
    read = datetime.fromisoformat(Moment().convert(text, None, None))
    assert before <= read <= datetime.now(UTC) - ago


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2 h", "-1", "2026-11-28 09:30", "2026-11-28T09:30:00", "999999d", "2026-13-01"]
)
def test_anything_else_is_an_error_of_use(text: str):
    """With the forms that there are."""
    with pytest.raises(click.BadParameter, match="is no revision"):
        Moment().convert(text, None, None)


def test_a_time_to_come_is_a_time_or_how_long_it_is():
    """Counted from now."""
    assert "2026-11-28T09:30:00Z" == DueTime().convert("2026-11-28T09:30:00Z", None, None)
    earliest = datetime.now(UTC) + timedelta(hours=2) - timedelta(milliseconds=1)
    read = datetime.fromisoformat(DueTime().convert("2h", None, None))
    assert earliest <= read <= datetime.now(UTC) + timedelta(hours=2)


@pytest.mark.parametrize("text", ["", "tomorrow", "17", "2026-11-28", "2026-11-28T09:30:00", "2026-11-31T09:30:00Z"])
def test_what_is_no_time_to_come_is_an_error_of_use(text: str):
    """A revision and a day are none."""
    with pytest.raises(click.BadParameter, match="is no time with its offset from UTC"):
        DueTime().convert(text, None, None)
