"""Points of the history as arguments: a revision, a time, a day, or how long ago it was."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

# Five digits of days are centuries, and no more than there are.
_AGO: Final = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# What else there is, the service reads.
_POINT: Final = re.compile(r"[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]+))?")


class Moment(click.ParamType[str]):
    """A point of the history, as the API takes it; ``2h`` is two hours ago."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the revision, the day, or the time."""
        if ago := _AGO.fullmatch(value):
            passed = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return (datetime.now(UTC) - passed).isoformat(timespec="milliseconds")
        if not _POINT.fullmatch(value):
            self.fail(
                f"{value!r} is no revision (17), no time with its offset from UTC (2026-11-28T09:30:00Z), no day"
                " (2026-11-28), and not how long ago it was (2h, 30m, 7d)",
                param,
                ctx,
            )
        return str(value)
