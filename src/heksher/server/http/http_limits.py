"""How much a connection may take, and how long it may take for it."""

from dataclasses import dataclass

from heksher.server import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The limits of one process.

    Attributes:
        max_connections: how many connections are open at most.
        max_head_bytes: the largest request line and header fields, together; likewise the fields after a body.
        max_pending_bytes: what all requests that are not answered yet may take in memory, as they came.
        head_s: how long a client may take for a request line and header fields.
        body_s: how long it may take for a body.
        rate_s: the time over which the least rate of a body is measured.
        least_body_bytes: what must arrive of a body in that time.
        unread_s: how long a client may take nothing of an answer.
        keep_alive_s: how long a connection is kept for the next request.
    """

    max_connections: int = limits.MAX_CONNECTIONS
    max_head_bytes: int = limits.MAX_HEAD_BYTES
    max_pending_bytes: int = limits.MAX_PENDING_BYTES
    head_s: float = limits.MAX_HEAD_S
    body_s: float = limits.MAX_BODY_S
    rate_s: float = limits.BODY_RATE_S
    least_body_bytes: int = limits.LEAST_BODY_BYTES
    unread_s: float = limits.MAX_UNREAD_S
    keep_alive_s: float = limits.KEEP_ALIVE_S
