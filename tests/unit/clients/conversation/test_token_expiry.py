"""When a token expires: how that is told, and how often it is said."""

import logging
from datetime import UTC, datetime

import pytest

from heksher.clients.conversation.token_expiry import TokenExpiry
from tests.support.conversation import respond

MOMENT = datetime(2026, 12, 24, 18, 30, tzinfo=UTC)


def note(expiry: TokenExpiry, *told: str | None) -> None:
    for text in told:
        expiry.note(respond(headers={} if text is None else {"heksher-token-expires": text}))


@pytest.mark.parametrize(
    "told", ["2026-12-24T18:30:00Z", "2026-12-24T18:30:00+00:00", "2026-12-24T20:30:00+02:00", "2026-12-24t18:30:00.0z"]
)
def test_moment(told: str) -> None:
    """A moment is read in every form of RFC 3339, and is in UTC."""
    expiry = TokenExpiry()
    note(expiry, told)
    assert (MOMENT, UTC) == (expiry.at, expiry.at.tzinfo if expiry.at else None)


@pytest.mark.parametrize(
    "told",
    ["", "soon", "2026-12-24T18:30:00", "2026-12-24", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-01:00", "1e9"],
)
def test_no_moment(caplog: pytest.LogCaptureFixture, told: str) -> None:
    """What is no moment of a known time zone counts as not told."""
    expiry = TokenExpiry()
    note(expiry, told)
    assert (None, []) == (expiry.at, caplog.messages)


def test_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each moment is one warning, however often it is told, and with answers in between that do not tell it."""
    expiry = TokenExpiry()
    note(expiry, "2026-12-24T18:30:00Z", "2026-12-24T18:30:00+00:00", None, "2026-12-24T18:30:00Z")
    said = (
        "the token of this client expires at 2026-12-24T18:30:00+00:00, and the service accepts it no longer then; give"
        " the client another one"
    )
    assert [(logging.WARNING, said)] == [(record.levelno, record.message) for record in caplog.records]
    note(expiry, "2027-12-24T18:30:00Z")
    assert 2 == len(caplog.records)


def test_not_told() -> None:
    """The last answer counts."""
    expiry = TokenExpiry()
    assert expiry.at is None
    note(expiry, "2026-12-24T18:30:00Z", None)
    assert expiry.at is None
