"""Where a client is in its life. Both ways on are one assignment each: a signal may interrupt whatever makes them."""

from enum import Enum

from heksher import fork
from heksher.exceptions import ClientStateError


class ClientPhase(Enum):
    """Where a client is in its life."""

    NEW = "not started"
    RUNNING = "running"
    CLOSED = "closed"


class Phased:
    """The part of a client that knows in which phase it is."""

    def __init__(self) -> None:
        # For good, whatever a start that goes on meanwhile makes of the other attribute.
        self._is_closed = False
        self._is_started = False

    @property
    def _state(self) -> ClientPhase:
        if self._is_closed:
            return ClientPhase.CLOSED
        return ClientPhase.RUNNING if self._is_started else ClientPhase.NEW

    def _is_over(self) -> bool:
        """Return whether the client is closed. Called by ``main_client``, too."""
        return self._is_closed

    def _require_open(self) -> None:
        fork.notice_fork()
        if self._is_closed:
            raise ClientStateError("this client is closed; create a new one")

    def _require_running(self) -> None:
        self._require_open()
        if not self._is_started:
            raise ClientStateError("this client is not started; call set_as_main() first")
