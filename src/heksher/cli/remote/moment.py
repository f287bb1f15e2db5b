"""Points in time as arguments: of the history a revision, a time, a day, or how long ago it was; or a time to come."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

# Five digits of days are centuries, and no more than there are.
_SPAN: Final = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Of the forms that there are, these, as the service takes them.
_DAY: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = re.compile(f"{_DAY}T[0-9:.]+(Z|[+-][0-9:]+)")
_POINT: Final = re.compile(f"[0-9]+|{_DAY}|{_TIME.pattern}")


class Moment(click.ParamType[str]):
    """A point of the history, as the API takes it; ``2h`` is two hours ago."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the revision, the day, or the time."""
        if (span := _read_span(value)) is not None:
            return _write_time(datetime.now(UTC) - span)
        if not _POINT.fullmatch(value) or not (value.isdecimal() or _is_in_calendar(value)):
            self.fail(
                f"{value!r} is no revision (17), no time with its offset from UTC (2026-11-28T09:30:00Z), no day"
                " (2026-11-28), and not how long ago it was (2h, 30m, 7d)",
                param,
                ctx,
            )
        return str(value)


class DueTime(click.ParamType[str]):
    """A time to come, as the API takes it; ``2h`` is in two hours."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time."""
        if (span := _read_span(value)) is not None:
            return _write_time(datetime.now(UTC) + span)
        if not _TIME.fullmatch(value) or not _is_in_calendar(value):
            self.fail(
                f"{value!r} is no time with its offset from UTC (2026-11-28T09:30:00Z), and not in how long it is"
                " (2h, 30m, 7d)",
                param,
                ctx,
            )
        return str(value)


def _read_span(text: str) -> timedelta | None:
    span = _SPAN.fullmatch(text)
    return None if span is None else timedelta(**{_UNITS[span[2]]: int(span[1])})


def _is_in_calendar(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _write_time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
