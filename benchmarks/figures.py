"""One figure of a report, with the aim that it has or has not."""

from typing import NamedTuple


class Line(NamedTuple):
    """One figure; ``is_met`` is ``None`` where no aim is set."""

    what: str
    figure: str
    is_met: bool | None = None
