"""One figure of a report, with the aim that it has or has not."""

from collections.abc import Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """One figure; ``is_met`` is ``None`` where no aim is set."""

    what: str
    figure: str
    is_met: bool | None = None


def pick(sorted_values: Sequence[float], share: float) -> float:
    """Return the value that this share of the values is not above."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
