"""When the client's token expires, which a service tells in its last 30 days: in time to make another one."""

import logging
from datetime import UTC, datetime

from heksher.clients.conversation.exchange import Response
from heksher.wire import TOKEN_EXPIRES_HEADER

logger: logging.Logger = logging.getLogger(__name__)


class TokenExpiry:
    """When the token expires, as far as the service has said so.

    Attributes:
        at: the moment, in UTC; ``None`` if the last answer told of none.
    """

    def __init__(self) -> None:
        self.at: datetime | None = None
        # What was warned of last; None if nothing was.
        self._warned: datetime | None = None

    def note(self, response: Response) -> None:
        """Note what an answer tells; say it once in the log."""
        self.at = _read_moment(response.headers.get(TOKEN_EXPIRES_HEADER.lower(), ""))
        if self.at is not None and self.at != self._warned:
            self._warned = self.at
            moment = self.at.isoformat()
            logger.warning(
                "the token of this client expires at %s, and the service accepts it no longer then; give the client"
                " another one",
                moment,
                extra={"token_expires_at": moment},
            )


def _read_moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.upper())
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    # Near the ends of the calendar, other offsets have no moment in UTC.
    except (ValueError, OverflowError):
        return None
