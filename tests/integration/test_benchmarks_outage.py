"""What the benchmark of outages says of requests; no time is judged."""

import pytest

from benchmarks.database_outage import CREATED, UNAVAILABLE, Play, describe_reads, describe_return, describe_writes
from benchmarks.outage_load import Kind, Sample


def make_play(*samples: Sample, stored: set[str] = frozenset()) -> Play:
    """Make a play with an outage from second 10 to second 20."""
    return Play(list(samples), failed_s=10.0, mended_s=20.0, stored=stored)


def make_sample(kind: Kind, start_s: float, status: int, user: str = "") -> Sample:
    return Sample(kind, 0, start_s, 0.5, status, user, has_retry_after=status == UNAVAILABLE)


def read_figures(lines: list) -> dict[str, tuple[str, bool | None]]:
    return {line.what.strip(): (line.figure, line.is_met) for line in lines}


@pytest.mark.parametrize(("status", "figure", "is_met"), [(200, "2 of 2", True), (0, "1 of 2", False)])
def test_each_read_of_the_outage_counts(status: int, figure: str, is_met: bool):
    """A query that was sent during the outage must be answered; the others are not counted."""
    samples = [make_sample("query", start_s, 200) for start_s in (5.0, 12.0, 25.0)]
    figures = read_figures(describe_reads("query", "queries", make_play(*samples, make_sample("query", 15.0, status))))
    assert (figure, is_met) == figures["queries answered"]


@pytest.mark.parametrize(
    ("status", "stored", "broken"),
    [
        (CREATED, {"u"}, set()),
        (CREATED, set(), {"acknowledged, but not stored"}),
        (UNAVAILABLE, set(), set()),
        (UNAVAILABLE, {"u"}, {"refused, but stored (one for each replica can be)"}),
        (500, set(), {"neither stored nor refused"}),
    ],
)
def test_broken_promises_of_writes_are_found(status: int, stored: set[str], broken: set[str]):
    """What was acknowledged must be there, what was refused must not, and nothing else may happen."""
    play = make_play(
        make_sample("write", 12.0, UNAVAILABLE, "other"), make_sample("write", 15.0, status, "u"), stored=stored
    )
    figures = read_figures(describe_writes(play, replicas=0))
    assert broken == {what for what, (_, is_met) in figures.items() if is_met is False}


def test_return_is_measured_from_the_end_of_the_outage():
    """What counts is when the first write after the outage was acknowledged; without one the promise is broken."""
    writes = [make_sample("write", start_s, CREATED, f"u{start_s}") for start_s in (5.0, 21.0, 23.0)]
    assert [("1.5 s", True)] == list(read_figures(describe_return(make_play(*writes), 1)).values())
    assert [("inf s", False)] == list(read_figures(describe_return(make_play(writes[0]), 1)).values())
