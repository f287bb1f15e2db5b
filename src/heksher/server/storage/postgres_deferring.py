"""Connections to PostgreSQL that do not wait for what needs no answer: each wait is a round trip through the network.

A deferred statement is sent with the next one that is not, or with the commit, in one *pipeline* of the protocol. Its
error is raised there. What follows a statement that fails is skipped by the server, the commit included. The driver
would wait for the beginning of each transaction, so the engine begins them by a deferred statement of its own, and the
driver takes the connection for one without transactions (``AUTOCOMMIT``). This module loads the driver, so import it
only where it is needed.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Self

import psycopg
from sqlalchemy import Engine, event

from heksher.server.storage.sql_statements import DEFERRABLE


class DeferringConnection(psycopg.Connection[Any]):
    """A connection with statements that are sent later. Belongs to one thread at a time."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.cursor_factory: type[psycopg.Cursor[Any]] = _TogetherCursor
        self.server_cursor_factory: type[psycopg.ServerCursor[Any]] = _LaterCursor
        self._deferred: list[tuple[Any, Any]] = []

    def defer(self, statement: str, parameters: Any = None) -> None:
        """Have a statement sent before the next one, or with the commit; a rollback drops it."""
        self._deferred.append((statement, parameters))

    def commit(self) -> None:
        """Send what is deferred, and commit.

        Raises:
            psycopg.Error: either failed; nothing is stored, unless the connection was lost meanwhile.
        """
        if not self._deferred:
            super().commit()
            return
        try:
            # The driver's own commit would wait for what was sent before.
            self.execute("COMMIT")
        except psycopg.Error:
            self._end_transaction()
            raise

    def rollback(self) -> None:
        """Drop what is deferred, and roll back."""
        self._deferred.clear()
        super().rollback()

    @contextmanager
    def sending_deferred(self) -> Iterator[None]:
        """Send what is deferred together with what the block sends."""
        if not self._deferred:
            yield
            return
        deferred, self._deferred = self._deferred, []
        with self._pipelining():
            for statement, parameters in deferred:
                psycopg.Cursor(self).execute(statement, parameters)
            yield

    def send_deferred(self) -> None:
        """Send what is deferred, by itself."""
        with self.sending_deferred():
            pass

    def _end_transaction(self) -> None:
        # A commit that fails ends the transaction, unless what was deferred has failed before it. SQLAlchemy takes it
        # for ended in any case, and would give the connection to others as it is.
        try:
            super().rollback()
        except psycopg.Error:
            self.close()

    def _pipelining(self) -> AbstractContextManager[object]:
        # An old libpq cannot; then each statement is a round trip.
        return self.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()


class _TogetherCursor(psycopg.Cursor[Any]):
    """A cursor that first sends what its connection has deferred."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Self:
        with _get_connection(self).sending_deferred():
            super().execute(query, params, **named)
        return self

    def executemany(self, query: Any, params_seq: Iterable[Any], **named: Any) -> None:
        with _get_connection(self).sending_deferred():
            super().executemany(query, params_seq, **named)


class _LaterCursor(psycopg.ServerCursor[Any]):
    """A cursor that reads rows in portions, which the driver does not do in a pipeline."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Self:
        _get_connection(self).send_deferred()
        return super().execute(query, params, **named)


def _get_connection(cursor: psycopg.Cursor[Any]) -> DeferringConnection:
    connection = cursor.connection
    assert isinstance(connection, DeferringConnection)  # noqa: S101 - nobody else makes cursors of these classes
    return connection


def defer_statements(engine: Engine) -> None:
    """Have an engine defer the statements that may be."""

    @event.listens_for(engine, "do_execute")
    def defer(cursor: psycopg.Cursor[Any], statement: str, parameters: Any, context: Any) -> bool:
        if not context.execution_options.get(DEFERRABLE, False):
            return False
        _get_connection(cursor).defer(statement, parameters)
        return True
