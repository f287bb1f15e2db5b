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
from typing import TYPE_CHECKING, Final, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from heksher.server.storage.dialect import MAX_POOL_OVERFLOW, POOL_SIZE, READER_LOCK_TIMEOUT_S, Dialect, first_line
from heksher.server.storage.listener import Listener
from heksher.server.storage.storage_errors import Reason, StorageCorruptError, StorageError, StorageUnavailableError
from heksher.server.storage.tables import HEKSHER_VERSION, METADATA, MIGRATION, WRITE_STATE

if TYPE_CHECKING:
    from heksher.server.storage.postgres_connection import PatientConnection

T = TypeVar("T")

# The channel for announcing revisions. All schemas of a database share it, so a message begins with the schema's name.
CHANNEL: Final = "heksher_revision"
_LISTEN: Final = "heksher_listen"
# The execution option with the statements that begin a transaction.
_BEGIN: Final = "heksher_begin"
# A writer's transaction says nothing of writing: with the server's default an operator may have stopped writes.
_BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

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

# What is no fault of this program, by the beginning of the state. Source: PostgreSQL's documentation, appendix A.
_UNAVAILABLE_STATES: Final[Mapping[str, Reason]] = {
    "08": "database down",  # connection
    "25006": "read-only",  # a standby after a failover, or a role that is made so
    "25P03": "database down",  # idle_in_transaction_session_timeout
    "25P04": "database down",  # transaction_timeout
    "28": "database down",  # authorization
    "3D": "database down",  # no such database
    "3F": "schema missing",
    "40": "database down",  # rolled back because of another transaction
    "42501": "read-only",  # insufficient privilege
    "42703": "schema missing",  # undefined column
    "42P01": "schema missing",  # undefined table: dropped, or not on the search_path
    "53100": "disk full",
    "53": "database down",  # other resources
    "55P03": "locked",  # lock_timeout
    "57": "database down",  # shutdown and cancellation
    "58": "disk error",
}
_REMEDIES: Final[Mapping[str, str]] = {
    "25P03": "idle_in_transaction_session_timeout is too short for this service",
    "25P04": "transaction_timeout is too short for this service",
    "3F": "the schema of the search_path must exist",
    "42501": "the role needs SELECT, INSERT, UPDATE and DELETE on all tables of the service",
    "42703": "the tables are not those of this version: see heksher migrate --check",
    "42P01": "were the tables dropped, or is the search_path another one?",
    "53100": "make room on the disk",
    "22P05": "make a database with the encoding UTF8, which can keep all texts",
    "22021": "make a database with the encoding UTF8, which can keep all texts",
}

# How long a start waits for one statement of a migration, or for another process that migrates.
_MIGRATION_TIMEOUT_S: Final = 600.0

# What each write locks or appends to, and what nearly each one changes.
_WRITTEN: Final = [
    table.name for table in METADATA.sorted_tables if table not in {HEKSHER_VERSION, MIGRATION, WRITE_STATE}
]
# Takes no lock on a table. On a standby, and for a role that is made so, transactions are read-only.
_CAN_WRITE: Final = text(
    "SELECT current_setting('transaction_read_only') = 'on',"
    " to_regclass('write_state') IS NOT NULL AND bool_and(to_regclass(name) IS NOT NULL),"
    " has_table_privilege(to_regclass('write_state'), 'UPDATE')"
    " AND bool_and(has_table_privilege(to_regclass(name), 'INSERT'))"
    " FROM unnest(CAST(:tables AS text[])) AS name"
)

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
        super().__init__(_describe(url), {_BEGIN: (_BEGIN_READING,)}, {})
        self.writer_options: Mapping[str, object] = {
            _BEGIN: ("BEGIN ISOLATION LEVEL READ COMMITTED", *_limit_locks(url, self.lock_timeout_s))
        }
        # A table that somebody alters must not make all readers wait.
        self.quick_reader_options: Mapping[str, object] = {
            **self.reader_options,
            _BEGIN: (_BEGIN_READING, *_limit_locks(url, READER_LOCK_TIMEOUT_S)),
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
            hide_parameters=True,
        )
        # Many rows in one statement: otherwise an import would take a round trip for each row.
        engine.dialect.use_insertmanyvalues_wo_returning = True
        event.listen(engine, "begin", _begin)
        limit_waiting(engine)
        defer_statements(engine)
        return engine

    def note_start(self, *, is_migrated: bool) -> None:
        # Nothing to mark: its files are the server's.
        pass

    def lock_schema(self, connection: Connection) -> None:
        # A statement of a migration may take long, and so may waiting for another process that migrates.
        _get_driver(connection).answer_timeout_s = _MIGRATION_TIMEOUT_S
        connection.execute(text(f"SET LOCAL lock_timeout = '{_MIGRATION_TIMEOUT_S:.0f}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('heksher schema'))"))
        # Writers that have begun finish first, and others wait before they hold anything: either could wait for what
        # the other one holds otherwise. Readers go on.
        if connection.execute(text("SELECT to_regclass('write_state')")).scalar() is not None:
            connection.execute(text("LOCK TABLE write_state IN EXCLUSIVE MODE"))

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
                f"{error}; nobody can tell whether the change was stored: look before you make it again", error.reason
            ) from error

    def check_makeable(self) -> None:
        # Connecting creates nothing.
        pass

    def check_place(self) -> None:
        # Nothing to check: a connection to a server that is gone fails by itself.
        pass

    def check_access(self) -> None:
        # As above.
        pass

    def check_writes(self, engine: Engine) -> None:
        with (
            self.connecting(engine.execution_options(**self.writer_options)) as connection,
            self.translating("checking whether a write is possible"),
        ):
            is_read_only, has_tables, may_write = connection.execute(_CAN_WRITE, {"tables": _WRITTEN}).one()
            problem = _find_problem(is_read_only=is_read_only, has_tables=has_tables, may_write=may_write)
            if problem is not None:
                remedy, reason = problem
                raise StorageUnavailableError(f"no write is possible on {self.place}: {remedy}", reason)

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
        if remedy := _find_state(_REMEDIES, state):
            message = f"{message}; {remedy}"
        reason = _find_state(_UNAVAILABLE_STATES, state)
        return StorageError(message) if reason is None else StorageUnavailableError(message, reason)

    def _connect_arguments(self) -> dict[str, str | int | None]:
        settings = {name: value for name, value in _LIBPQ_DEFAULTS.items() if name not in self._url.query}
        # The encoding is no matter of taste: in another one many texts could not be sent, and in a database without one
        # (SQL_ASCII) the driver would not decode any.
        return {**settings, "prepare_threshold": None, "client_encoding": "utf8"}


def _describe(url: URL) -> str:
    """Return the URL without its password and its parameters, which may have one, too."""
    user = f"{url.username}@" if url.username else ""
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{host}{port}/{url.database or ''}"


def _limit_locks(url: URL, timeout_s: float) -> tuple[str, ...]:
    """Return the first statement of a transaction; none if the URL sets a limit of its own."""
    if "lock_timeout" in str(url.query.get("options", "")):
        return ()
    return (f"SET LOCAL lock_timeout = '{timeout_s * 1000:.0f}ms'",)


def _find_problem(*, is_read_only: bool, has_tables: bool, may_write: bool) -> tuple[str, Reason] | None:
    """Return what is wrong, with its remedy, and its reason; ``None`` if nothing is."""
    if not has_tables:
        return _REMEDIES["42P01"], "schema missing"
    if not may_write:
        return _REMEDIES["42501"], "read-only"
    if is_read_only:
        return "its transactions are read-only: is it a standby, or the role made so?", "read-only"
    return None


def _find_state(texts: Mapping[str, T], state: str) -> T | None:
    """Return what is said of a state, or else of its class."""
    return texts.get(state, texts.get(state[:2]))


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
