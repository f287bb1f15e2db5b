"""Connections to PostgreSQL that do not wait for ever.

libpq limits how long it takes to connect, and notices a machine that has vanished. But a server that has stopped (its
virtual machine is paused, its disk hangs) keeps its connections, and its system acknowledges whatever is sent: only
whoever waits can tell that no answer comes. This module loads the driver, so it is imported where that is needed.
"""

import time
from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.waiting import Ready
from sqlalchemy import Engine, event

# How long the server may send nothing while it is waited for. Above the time after which it gives up waiting for a
# lock by itself, which is the longest that it takes as long as it is well.
ANSWER_TIMEOUT_S: Final = 12.0
# The same for the question whether a connection of the pool still works.
PING_TIMEOUT_S: Final = 3.0


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server leaves a question unanswered for too long.

    Attributes:
        answer_timeout_s: how long it may.
    """

    answer_timeout_s: float = ANSWER_TIMEOUT_S

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Wait as the driver does, but not for ever.

        Raises:
            psycopg.OperationalError: the server did not answer; the connection is closed.
        """
        return super().wait(self._limit(gen), *args, **kwargs)

    def _limit(self, gen: PQGen[RV]) -> PQGen[RV]:
        """Pass on what the driver waits for; it is told ten times a second when nothing has come."""
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
        # Whatever is asked on it now fails at once, and the pool throws it away.
        self.pgconn.finish()
        raise psycopg.OperationalError(f"the server has not answered for {self.answer_timeout_s:g} seconds")


def _ignore(notification: psycopg.Notify) -> None:
    del notification


def limit_waiting(engine: Engine) -> None:
    """Make an engine's connections ones that do not wait for ever."""

    @event.listens_for(engine, "do_connect")
    def connect(*arguments: Any) -> PatientConnection:
        _dialect, _record, positional, named = arguments
        connection = PatientConnection.connect(*positional, **named)
        # Behind PgBouncer in transaction mode, any session can be told what a listener has subscribed to; the driver
        # would keep all of it for somebody who asks.
        connection.add_notify_handler(_ignore)
        return connection

    @event.listens_for(engine, "checkout")
    def expect_answers(connection: PatientConnection, *_: object) -> None:
        connection.answer_timeout_s = ANSWER_TIMEOUT_S

    @event.listens_for(engine, "checkin")
    def expect_a_ping(connection: PatientConnection | None, *_: object) -> None:
        # None: it was lost.
        if connection is not None:
            connection.answer_timeout_s = PING_TIMEOUT_S
