"""Failures in a row: the time before the next attempt, and the level at which each is told."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heksher.backoff import FailureRow, draw


def make_row(failures: int) -> FailureRow:
    row = FailureRow()
    for _ in range(failures):
        row.fail()
    return row


def test_time_doubles_up_to_the_longest() -> None:
    """After each failure in a row there is twice the time, and never more than the longest."""
    row, spans_s = FailureRow(), []
    for _ in range(7):
        row.fail()
        spans_s.append(row.span_s(first_s=0.5, longest_s=10))
    assert [0.5, 1, 2, 4, 8, 10, 10] == spans_s


@pytest.mark.parametrize("failures", [1_000, 1_100, 5_000])
def test_no_number_of_failures_is_too_many(failures: int) -> None:
    """After any number of failures the time is the longest."""
    assert 60 == make_row(failures).span_s(first_s=0.1, longest_s=60)


def test_a_success_ends_the_row() -> None:
    """After a success the first failure is a first one again."""
    row = make_row(5)
    row.end()
    row.fail()
    assert (1, 2) == (row.count, row.span_s(first_s=2, longest_s=60))


def test_the_first_failure_and_the_end_are_news() -> None:
    """The first failure of a row has the level that it deserves, later ones have ``DEBUG``; the end is told once."""
    row = FailureRow()
    assert [logging.ERROR, logging.DEBUG, logging.DEBUG] == [row.fail(logging.ERROR) for _ in range(3)]
    assert [True, False] == [row.end(), row.end()]
    assert logging.WARNING == row.fail(logging.WARNING)


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_what_is_drawn(low: float, more: float) -> None:
    """What is drawn at random is within its limits."""
    assert low <= draw(low, low + more) <= low + more


def test_draws_differ() -> None:
    """What would happen at the same moment is spread."""
    assert len({draw(0, 1) for _ in range(100)}) > 90
