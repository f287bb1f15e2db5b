"""How the SQL storage uses PostgreSQL.

A reader's transaction is ``REPEATABLE READ``. A writer's is ``READ COMMITTED``: its first statement waits for a row
lock, and what it reads afterwards must be as new as the lock, not as old as the transaction.

Nothing is set for a whole session and no statement is prepared on the server, because behind PgBouncer each transaction
may run in another session. ``postgres_connection`` limits how long calls wait; ``postgres_listener`` receives the
writes of other processes.
"""

import functools
import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from heksher.server.storage.dialect import MAX_POOL_OVERFLOW, POOL_SIZE, Dialect, first_line
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import StorageCorruptError, StorageError, StorageUnavailableError

if TYPE_CHECKING:
    from heksher.server.storage.postgres_connection import PatientConnection

# The channel for announcing revisions. All schemas of a database share it, so a message begins with the schema's name.
CHANNEL: Final = "heksher_revision"
_LISTEN: Final = "heksher_listen"
# The execution option with the statements that begin a transaction.
_BEGIN: Final = "heksher_begin"

# Values of libpq for what the URL leaves open. Units: seconds; tcp_user_timeout in milliseconds. Keepalives detect that
# the server of an idle connection, such as a listener's, has vanished.
_LIBPQ_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "application_name": "heksher",
}

# Connection; read-only (a standby after a failover); authorization; no such database; rolled back because of another
# transaction; resources; lock timeout; shutdown and cancellation. Source: PostgreSQL's documentation, appendix A.
_UNAVAILABLE_STATES: Final = ("08", "25006", "28", "3D", "40", "53", "55P03", "57")

# How long a start waits for one statement of a migration, or for another process that migrates.
_MIGRATION_TIMEOUT_S: Final = 600.0

_LOCK: Final = "SELECT FROM write_state FOR UPDATE"
_ANNOUNCE: Final = "SELECT pg_notify(%(channel)s, concat(current_schema(), ' ', %(revision)s::text))"


class PostgresDialect(Dialect):
    """A PostgreSQL database.

    Args:
        url: parameters of libpq may follow its ``?``, and ``heksher_listen=off``, which turns off the session that
            listens for writes of other processes.
    """

    poll_interval_s: float = 1.0

    def __init__(self, url: URL) -> None:
        user = f"{url.username}@" if url.username else ""
        port = f":{url.port}" if url.port else ""
        place = f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}"
        super().__init__(place, {_BEGIN: ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",)}, {})
        self.writer_options: Mapping[str, object] = {
            _BEGIN: ("BEGIN ISOLATION LEVEL READ COMMITTED", *self._limit_locks(url))
        }
        self._is_listening = _read_listen(url)
        self._url = url.set(drivername="postgresql+psycopg").difference_update_query([_LISTEN])

    def make_engine(self) -> Engine:
        if importlib.util.find_spec("psycopg") is None:
            raise StorageError(f"{self.place} needs the PostgreSQL driver: install heksher with its extra 'postgres'")
        # Services that keep their data in SQLite do not need this library, and may not have it installed.
        from heksher.server.storage.postgres_connection import limit_waiting  # noqa: PLC0415 -- see above
        from heksher.server.storage.postgres_deferring import defer_statements  # noqa: PLC0415 -- see above

        engine = create_engine(
            self._url,
            # See postgres_deferring: transactions are begun by a statement.
            isolation_level="AUTOCOMMIT",
            connect_args=self._connect_arguments(),
            pool_size=POOL_SIZE,
            max_overflow=MAX_POOL_OVERFLOW,
            pool_timeout=self.lock_timeout_s,
        )
        # Many rows in one statement: otherwise an import would take a round trip for each row.
        engine.dialect.use_insertmanyvalues_wo_returning = True
        event.listen(engine, "begin", _begin)
        limit_waiting(engine)
        defer_statements(engine)
        return engine

    def lock_schema(self, connection: Connection) -> None:
        # A statement of a migration may take long, and so may waiting for another process that migrates.
        _get_driver(connection).answer_timeout_s = _MIGRATION_TIMEOUT_S
        connection.execute(text(f"SET LOCAL lock_timeout = '{_MIGRATION_TIMEOUT_S:.0f}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('heksher schema'))"))

    def lock_writers(self, connection: Connection) -> None:
        _defer(connection, _LOCK)

    def check_exists(self) -> None:
        # Nothing to check: connecting never creates a database, it fails if there is none.
        pass

    def announce(self, connection: Connection, revision: int) -> None:
        with self.translating("announcing a change"):
            _defer(connection, _ANNOUNCE, {"channel": CHANNEL, "revision": str(revision)})

    def listen(self) -> Listener:
        if not self._is_listening:
            return Listener()
        from heksher.server.storage.postgres_connection import PatientConnection  # noqa: PLC0415 -- as above
        from heksher.server.storage.postgres_listener import PostgresListener  # noqa: PLC0415

        _, parameters = self._url.get_dialect()().create_connect_args(self._url)
        arguments = {**parameters, **self._connect_arguments(), "autocommit": True}
        return PostgresListener(functools.partial(PatientConnection.connect, **arguments), CHANNEL)

    def commit(self, connection: Connection) -> None:
        try:
            super().commit(connection)
        except StorageUnavailableError as error:
            raise StorageUnavailableError(
                f"{error}; nobody can tell whether the change was stored: look before you make it again"
            ) from error

    def check_place(self) -> None:
        # Nothing to check: a connection to a server that is gone fails by itself.
        pass

    def _translate(self, error: DBAPIError, doing: str) -> StorageError:
        # None if no server answered, the connection was lost, or the driver itself raised the error.
        state: str | None = getattr(error.orig, "sqlstate", None)
        message = f"{doing} failed on {self.place}: {first_line(error)}"
        if state is None and isinstance(error, OperationalError | InterfaceError):
            return StorageUnavailableError(f"{message}; is the server running, and are host and port right?")
        if state is None:
            return StorageError(message)
        if state in {"XX001", "XX002"}:
            return StorageCorruptError(f"{message}; restore it from a backup")
        if state.startswith(_UNAVAILABLE_STATES):
            return StorageUnavailableError(message)
        return StorageError(message)

    def _connect_arguments(self) -> dict[str, str | int | None]:
        settings = {name: value for name, value in _LIBPQ_DEFAULTS.items() if name not in self._url.query}
        return {**settings, "prepare_threshold": None}

    def _limit_locks(self, url: URL) -> tuple[str, ...]:
        """Return the first statement of a writing transaction; none if the URL sets a limit of its own."""
        if "lock_timeout" in str(url.query.get("options", "")):
            return ()
        return (f"SET LOCAL lock_timeout = '{self.lock_timeout_s * 1000:.0f}ms'",)


def _read_listen(url: URL) -> bool:
    text = url.query.get(_LISTEN, "on")
    if text not in {"on", "off"}:
        raise StorageError(f"{_LISTEN}={text!r} in the database URL is neither on nor off")
    return text == "on"


def _begin(connection: Connection) -> None:
    for statement in connection.get_execution_options().get(_BEGIN, ()):
        _get_driver(connection).defer(statement)


def _defer(connection: Connection, statement: str, parameters: Mapping[str, str] | None = None) -> None:
    if not connection.in_transaction():
        connection.begin()
    _get_driver(connection).defer(statement, parameters)


def _get_driver(connection: Connection) -> "PatientConnection":
    return cast("PatientConnection", connection.connection.driver_connection)
