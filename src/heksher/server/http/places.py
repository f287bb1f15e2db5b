"""The connections of one process: how many there are, what they hold, and which one makes room for another.

Nothing here looks at all connections for each new one: a stranger can open thousands in a second.
"""

from collections import OrderedDict
from contextvars import Context, copy_context
from enum import IntEnum
from typing import Final, Generic, Literal, Protocol, TypeVar

from heksher.server.http.deferred import Deferred
from heksher.server.http.ended import Ended, Reason
from heksher.server.http.http_limits import HttpLimits
from heksher.server.http.served_request import ServedRequest

# So long, and for so many turns of the acceptor, a new connection is left alone: what its client has sent at once is
# read by then, however many there are, and however long a turn takes. It bounds how many can come in a second, so how
# long one waits behind a queue of strangers. As long, one that has taken its last answer is left alone.
_GRACE_S: Final = 0.02
_GRACE_TURNS: Final = 4
# A client that has taken nothing of its answer for so long makes room, if no other connection can.
_UNREAD_GRACE_S: Final = 0.06
# What requests usually hold; connections with more are the first to go when all together hold too much.
_LARGE_BYTES: Final = 64 * 1024

# Whether there is room for one more connection: now, in a moment, or not before an answer is complete.
Room = Literal["now", "soon", "none"]


class Phase(IntEnum):
    """What a connection is doing.

    That is: receiving a head or a body, waiting for the next request, being answered, or coming to its end when the
    client has taken the last answer and may still be sending.
    """

    HEAD = 0
    BODY = 1
    IDLE = 2
    BUSY = 3
    ENDING = 4


class Placed(Protocol):
    """A connection, as its place knows it.

    Attributes:
        phase: what it is doing.
        since_s: since when, by the loop's clock; not kept while it is busy.
        turn: the turn of the acceptor in which it came.
        unread_since_s: since when its client has taken nothing of what waits to be sent.
        held_bytes: what it holds of requests that are not answered.
    """

    phase: Phase
    since_s: float
    turn: int
    unread_since_s: float
    held_bytes: int

    def end(self, reason: Reason) -> None:
        """Close it at once."""

    def refuse(self, status: int, detail: str, reason: Reason) -> None:
        """Close it after an answer."""


PlacedT = TypeVar("PlacedT", bound=Placed)


class Places(Generic[PlacedT]):
    """All connections of a process.

    Args:
        limits: how many there may be, and what they may hold.
        ended: is told of those that are ended.

    Attributes:
        unread: those whose clients have not taken what was sent.
        running: the requests whose application has not returned; the event loop knows them only weakly.
        context: that of no request. Those are begun in it: what begins one is often the end of another.
        deferred: those with more to read than may be read at once.
        date_line: the header field with the time.
        held_bytes: what they hold of requests that are not answered.
        peak_bytes: the most that was since it was looked at, likewise.
        turn: how often the acceptor has looked for new connections.
    """

    def __init__(self, limits: HttpLimits, ended: Ended) -> None:
        self.limits: HttpLimits = limits
        self.ended: Ended = ended
        # By what they do, each in the order in which they began with it.
        reading: OrderedDict[PlacedT, None] = OrderedDict()
        self._by_phase: tuple[OrderedDict[PlacedT, None], ...] = (
            reading,
            reading,
            OrderedDict(),
            OrderedDict(),
            OrderedDict(),
        )
        self.unread: OrderedDict[PlacedT, None] = OrderedDict()
        self.running: set[ServedRequest] = set()
        self.context: Context = copy_context()
        self.deferred: Deferred = Deferred()
        self.date_line: bytes = b""
        self._large: OrderedDict[PlacedT, None] = OrderedDict()
        self.held_bytes: int = 0
        self.peak_bytes: int = 0
        self.turn: int = 0

    def __len__(self) -> int:
        return sum(len(place) for place in self._by_phase[1:])

    def list_in(self, phase: Phase) -> list[PlacedT]:
        """Return the connections of a phase, and those in ``HEAD`` with those in ``BODY``: the oldest first."""
        return list(self._by_phase[phase])

    def list_all(self) -> list[PlacedT]:
        """Return all connections."""
        return [connection for place in self._by_phase[1:] for connection in place]

    def add(self, connection: PlacedT) -> None:
        """Give a new connection its place."""
        connection.turn = self.turn
        self._by_phase[connection.phase][connection] = None

    def move(self, connection: PlacedT, phase: Phase) -> None:
        """Put a connection at the end of those in a phase."""
        del self._by_phase[connection.phase][connection]
        connection.phase = phase
        self._by_phase[phase][connection] = None

    def remove(self, connection: PlacedT) -> None:
        """Take away a connection that is closed; nothing happens if that was done."""
        self._by_phase[connection.phase].pop(connection, None)
        self.unread.pop(connection, None)
        self.hold(connection, 0)

    def find_room(self, now_s: float) -> Room:
        """Return whether there is room for one more connection, or can be made."""
        if len(self) < self.limits.max_connections or self._find_dispensable(now_s) is not None:
            return "now"
        return "soon" if self._by_phase[Phase.HEAD] or self._by_phase[Phase.ENDING] else "none"

    def make_room(self, now_s: float) -> None:
        """End a connection, if there is no room for one more.

        The oldest whose client has taken its last answer goes first, then the oldest without a complete request, then
        the longest idle one, then one that does not read.
        """
        if len(self) >= self.limits.max_connections and (connection := self._find_dispensable(now_s)) is not None:
            connection.end("room")

    def _find_dispensable(self, now_s: float) -> PlacedT | None:
        _, reading, idle, _, ending = self._by_phase
        last = next(iter(ending), None)
        if last is not None and now_s - last.since_s >= _GRACE_S:
            return last
        oldest = next(iter(reading), None)
        if oldest is not None and now_s - oldest.since_s >= _GRACE_S and self.turn - oldest.turn >= _GRACE_TURNS:
            return oldest
        if (longest_idle := next(iter(idle), None)) is not None:
            return longest_idle
        longest = next(iter(self.unread), None)
        if longest is not None and now_s - longest.unread_since_s >= _UNREAD_GRACE_S:
            return longest
        return None

    def hold(self, connection: PlacedT, size: int) -> None:
        """Note what a connection holds now; if that is too much for all together, end one that holds much."""
        self.held_bytes += size - connection.held_bytes
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)
        is_more = size > connection.held_bytes
        connection.held_bytes = size
        if size <= _LARGE_BYTES:
            self._large.pop(connection, None)
        else:
            self._large[connection] = None
        if is_more and self.held_bytes > self.limits.max_pending_bytes:
            self._relieve(connection)

    def _relieve(self, latest: PlacedT) -> None:
        for connection in (*self._large, latest):
            if connection.phase <= Phase.BODY:
                connection.refuse(503, "the service holds too many large requests: try again", "memory")
                return
