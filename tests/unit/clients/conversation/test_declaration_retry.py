"""When a declaration that failed is tried again."""

import math

import pytest

from heksher.clients.conversation.declaration_retry import (
    FIRST_REFUSED_S,
    FIRST_RETRY_S,
    MAX_REFUSED_S,
    MAX_RETRY_S,
    DeclarationRetry,
)


def fail_and_plan(retry: DeclarationRetry, share: float, *, is_refused: bool = False, asked_s: float = 0.0) -> float:
    """Have a declaration fail at 1000; return the delay of the next one."""
    retry.fail(is_refused=is_refused, asked_s=asked_s)
    retry.plan(1000, share)
    return retry.due_s - 1000


def test_first_attempt_is_due_at_once() -> None:
    """A setting that is new is declared at once, and nothing is to be planned for it."""
    retry = DeclarationRetry()
    retry.plan(1000, 0.5)
    assert (-math.inf, False) == (retry.due_s, retry.is_failed)


def test_failures() -> None:
    """The delays are drawn from spans that grow from a second to a minute."""
    assert (1, 60) == (FIRST_RETRY_S, MAX_RETRY_S)
    retry = DeclarationRetry()
    assert [1, 2, 4, 8, 16, 32, 60, 60] == [fail_and_plan(retry, 1.0) for _ in range(8)]
    assert (0, 30) == (fail_and_plan(retry, 0.0), fail_and_plan(retry, 0.5))


def test_refusals() -> None:
    """What nobody has corrected yet is tried again ever more rarely, each five minutes in the end."""
    assert (30, 300) == (FIRST_REFUSED_S, MAX_REFUSED_S)
    retry = DeclarationRetry()
    assert [30, 60, 120, 240, 300, 300] == [fail_and_plan(retry, 1.0, is_refused=True) for _ in range(6)]
    assert 150 == fail_and_plan(retry, 0.0, is_refused=True)


def test_service_that_asks_to_be_left_alone() -> None:
    """What the service asks for comes on top."""
    assert 31 == fail_and_plan(DeclarationRetry(), 1.0, asked_s=30)


def test_a_planned_attempt_stays_planned() -> None:
    """Only a new failure plans another moment."""
    retry = DeclarationRetry()
    fail_and_plan(retry, 1.0)
    retry.plan(2000, 1.0)
    assert (1001, True) == (retry.due_s, retry.is_failed)


def test_end() -> None:
    """What was accepted, or is needed anew, has not failed, and is due at once."""
    retry = DeclarationRetry()
    fail_and_plan(retry, 1.0)
    retry.end()
    assert (-math.inf, False) == (retry.due_s, retry.is_failed)


@pytest.mark.parametrize("is_refused", [False, True])
def test_before_it_is_planned_nothing_is_due(is_refused: bool) -> None:
    """From the failure until its end is known, no moment is early enough."""
    retry = DeclarationRetry()
    retry.fail(is_refused=is_refused)
    assert math.inf == retry.due_s
