"""Connections to PostgreSQL that do not wait for ever.

libpq limits how long connecting takes, and notices a machine that has vanished. But a server that hangs (its virtual
machine is paused, its disk does not respond) keeps its connections open, and its kernel acknowledges whatever is sent:
only a timeout on the waiting side detects that no answer comes. This module loads the driver, so import it only where
it is needed.
"""

import select
import time
from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.waiting import Ready
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

from heksher.server.storage.postgres_deferring import DeferringConnection

# How long the server may send nothing while a call waits for it. Longer than the lock timeout, which is the longest
# that a healthy server takes to answer.
ANSWER_TIMEOUT_S: Final = 12.0
# The same for the check whether a connection of the pool still works.
PING_TIMEOUT_S: Final = 3.0
# A connection of the pool that was used so shortly ago is not checked, unless the server has sent something since, such
# as the end of the connection: a check is a round trip. Far shorter than the interval at which the catalog looks at the
# database, so a server that hangs is noticed by a check.
_TRUSTED_S: Final = 0.25


class PatientConnection(DeferringConnection):
    """A connection that is closed if the server takes too long to answer.

    Attributes:
        answer_timeout_s: how long the server may take.
        used_s: when the connection was last made or given back, by ``time.monotonic()``.
    """

    answer_timeout_s: float = ANSWER_TIMEOUT_S
    used_s: float

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.used_s = time.monotonic()

    def is_trusted(self) -> bool:
        """Return whether the connection was used a moment ago, and the server has sent nothing since."""
        if self.closed or time.monotonic() - self.used_s > _TRUSTED_S:
            return False
        watched = select.poll()
        watched.register(self.pgconn.socket, select.POLLIN)
        return not watched.poll(0)

    def answers_a_ping(self) -> bool:
        """Return whether the server answers at once."""
        self.answer_timeout_s = PING_TIMEOUT_S
        try:
            self.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Wait as the driver does, but with a timeout.

        Raises:
            psycopg.OperationalError: the server did not answer in time; the connection is closed.
        """
        return super().wait(self._limit(gen), *args, **kwargs)

    def _limit(self, gen: PQGen[RV]) -> PQGen[RV]:
        """Pass on what the driver waits for. The driver resumes this ten times a second even if nothing has arrived."""
        deadline = time.monotonic() + self.answer_timeout_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    deadline = time.monotonic() + self.answer_timeout_s
                elif time.monotonic() > deadline:
                    self._give_up()
                wanted = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result

    def _give_up(self) -> None:
        # Later calls on the connection fail at once, and the pool discards it.
        self.pgconn.finish()
        raise psycopg.OperationalError(f"the server has not answered for {self.answer_timeout_s:g} seconds")


def _ignore(notification: psycopg.Notify) -> None:
    del notification


def limit_waiting(engine: Engine) -> None:
    """Make an engine's connections time out if the server does not answer."""

    @event.listens_for(engine, "do_connect")
    def connect(*arguments: Any) -> PatientConnection:
        _dialect, _record, positional, named = arguments
        connection = PatientConnection.connect(*positional, **named)
        # Behind PgBouncer in transaction mode, any session can receive a listener's notifications. Without a handler,
        # the driver would keep all of them in memory.
        connection.add_notify_handler(_ignore)
        return connection

    @event.listens_for(engine, "checkout")
    def check(connection: PatientConnection, *_: object) -> None:
        # A restarted server has closed the pool's connections; found out here, this causes no error.
        if not connection.is_trusted() and not connection.answers_a_ping():
            raise InvalidatePoolError
        connection.answer_timeout_s = ANSWER_TIMEOUT_S

    @event.listens_for(engine, "checkin")
    def note_use(connection: PatientConnection | None, *_: object) -> None:
        # None if the connection was lost.
        if connection is not None:
            connection.used_s = time.monotonic()
