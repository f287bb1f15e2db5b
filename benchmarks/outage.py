"""What a service sees of a fleet of clients before, during and after an outage: ``make outage``.

The clients' real ``Schedule`` is told a simulated time: a thousand clients, started together as by a deployment, of a
service that is gone for a minute. Once as it is, and once with nothing left to chance, for comparison. A request while
the service is gone fails at once; one that comes while it is there succeeds at once.
"""

import argparse
import heapq
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from heksher.clients.conversation.schedule import Schedule

CLIENTS = 1_000
INTERVAL_S = 30.0
# The outage begins when the fleet has run for a while.
DOWN_S = (120, 180)
END_S = 300
PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference"


class Run(NamedTuple):
    """What one simulation gave.

    Attributes:
        requests: how many requests came in each second.
        recovered_s: when each client succeeded first after the outage, from its end.
    """

    requests: list[int]
    recovered_s: list[float]

    def peak(self) -> int:
        """Return the most requests that came in a second after the outage."""
        return max(self.requests[DOWN_S[1] :])


def simulate(seed: int) -> Run:
    """Have the fleet live through the outage."""
    random.seed(seed)
    schedules = [Schedule(INTERVAL_S) for _ in range(CLIENTS)]
    # Started within the same second, as a rolling restart never quite manages.
    due = [(random.random(), number) for number in range(CLIENTS)]  # noqa: S311 - a simulation
    heapq.heapify(due)
    requests = [0] * END_S
    recovered_s: dict[int, float] = {}
    while due and due[0][0] < END_S:
        now_s, number = heapq.heappop(due)
        requests[int(now_s)] += 1
        schedule = schedules[number]
        schedule.begin()
        if DOWN_S[0] <= now_s < DOWN_S[1]:
            schedule.fail(now_s)
        else:
            schedule.succeed(now_s)
            if now_s >= DOWN_S[1]:
                recovered_s.setdefault(number, now_s - DOWN_S[1])
        heapq.heappush(due, (now_s + schedule.remaining(now_s), number))
    return Run(requests, sorted(recovered_s.values()))


@contextmanager
def nothing_left_to_chance() -> Iterator[None]:
    """Have every delay be as long as it may be."""
    with mock.patch.object(random, "uniform", lambda _low, high: high):
        yield


def draw(runs: dict[str, Run]) -> str:
    """Draw the requests per second over time, one panel for each run, as an SVG."""
    width, height, left, gap = 720, 150, 50, 45
    scale = max(max(run.requests) for run in runs.values())
    total = len(runs) * (height + gap) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 10} {total}" font-size="12">',
        "<style>text { font-family: sans-serif }</style>",
        f'<rect width="100%" height="{total}" fill="white"/>',
    ]
    for place, (title, run) in enumerate(runs.items()):
        bottom = place * (height + gap) + 20 + height
        x: Callable[[float], float] = lambda second: left + second * width / END_S  # noqa: E731 - a scale
        lines.append(
            f'<rect x="{x(DOWN_S[0]):.0f}" y="{bottom - height}" width="{x(DOWN_S[1]) - x(DOWN_S[0]):.0f}"'
            f' height="{height}" fill="#f3d9d6"/>'
        )
        lines.append(f'<text x="{left}" y="{bottom - height - 6}">{title}; peak {run.peak()} after the outage</text>')
        points = " ".join(
            f"{x(second):.1f},{bottom - count * height / scale:.1f}" for second, count in enumerate(run.requests)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.2"/>')
        lines.append(f'<line x1="{left}" y1="{bottom}" x2="{left + width}" y2="{bottom}" stroke="black"/>')
        lines.append(f'<text x="{left - 6}" y="{bottom - height + 10}" text-anchor="end">{scale}</text>')
        lines += [
            f'<text x="{x(second):.0f}" y="{bottom + 14}" text-anchor="middle">{second} s</text>'
            for second in range(0, END_S + 1, 60)
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def describe(title: str, run: Run) -> str:
    """Put the figures of a run in a line."""
    calm = run.requests[DOWN_S[0] - 60 : DOWN_S[0]]
    down = run.requests[DOWN_S[0] : DOWN_S[1]]
    return (
        f"{title}: before, {statistics.mean(calm):.0f} requests/s, peak {max(calm)}; during,"
        f" {statistics.mean(down):.0f}, peak {max(down)}; after, peak {run.peak()}; half of the clients current after"
        f" {run.recovered_s[len(run.recovered_s) // 2]:.1f} s, all after {run.recovered_s[-1]:.1f} s"
    )


def main(arguments: Sequence[str]) -> int:
    """Simulate, print the figures, write the picture."""
    parser = argparse.ArgumentParser(prog="make outage", description=__doc__)
    parser.add_argument("--svg", type=Path, default=PAGE / "outage.svg", help="where the picture goes")
    options = parser.parse_args(arguments)
    with nothing_left_to_chance():
        without = simulate(seed=1)
    runs = {"With jitter": simulate(seed=1), "Without": without}
    for title, run in runs.items():
        print(describe(title, run))
    options.svg.write_text(draw(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
