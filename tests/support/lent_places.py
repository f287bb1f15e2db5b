"""Places with tables and nothing in them, for tests that are not about making tables, which takes longer than they do.

An SQLite file is a copy of one that was made once. A schema of PostgreSQL is emptied after its use, and lent again,
unless something was done to its tables.
"""

import atexit
import functools
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import delete, insert, select
from sqlalchemy.sql.dml import UpdateBase

from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.tables import HEKSHER_VERSION, METADATA, MIGRATION, SCHEMA_VERSION, WRITE_STATE
from tests.support.postgres import find_server_url, make_postgres_schema
from tests.support.storages import MemoryPlace, Place, SqlPlace, make_place, opened

# Parents before children. Which migrations were run, nothing changes.
_TABLES = [table for table in METADATA.sorted_tables if table is not MIGRATION]
# A session that has left a transaction open fails the test, which would else wait for ever.
_LOCK_TIMEOUT_S = 10
# What describes a table in PostgreSQL's catalogs has another ``xmin`` after each change.
_LAYOUT = """
SELECT array_agg((relname, xmin) ORDER BY oid)::text,
    (SELECT array_agg(a.xmin ORDER BY attrelid, attnum)::text FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        WHERE relnamespace = to_regnamespace(%(schema)s)),
    (SELECT count(*) FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
        WHERE relnamespace = to_regnamespace(%(schema)s))
FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)
"""


@contextmanager
def lend_place(kind: str, directory: Path) -> Iterator[Place]:
    """Lend an empty place of one of ``STORAGE_KINDS`` that has its tables; files go into ``directory``."""
    if kind == "memory":
        yield MemoryPlace()
    elif kind == "sqlite":
        with make_place(kind, directory) as place:
            assert isinstance(place, SqlPlace)
            place.file.write_bytes(_make_file())
            place.file.chmod(0o600)
            yield place
    else:
        with lend_schema() as url:
            yield SqlPlace(url)


@contextmanager
def lend_schema() -> Iterator[str]:
    """Lend an empty schema with its tables; return the URL of a database whose tables are in it."""
    url = _find_lender().lend()
    try:
        yield url
    finally:
        _find_lender().take_back(url)


def empty(place: SqlPlace) -> None:
    """Remove everything that was stored in a place that is lent."""
    put_back(place, _write_new())


def write_content(place: SqlPlace) -> str:
    """Return the statements that store what a place that is lent has now, for ``put_back``."""
    dialect = dialect_for(place.url)
    engine = dialect.make_engine()
    with engine.connect() as connection:
        rows = {table: connection.execute(select(table)).mappings().all() for table in _TABLES}
    dialect.close_engine(engine)
    return _write(insert(table).values([dict(row) for row in some]) for table, some in rows.items() if some)


def put_back(place: SqlPlace, content: str) -> None:
    """Have a place that is lent store what ``write_content`` has found, and nothing else."""
    script = f"{_write(delete(table) for table in reversed(_TABLES))}; {content}"
    if place.kind == "postgres":
        _find_lender().run(place.url, script)
    else:
        with closing(sqlite3.connect(place.file)) as file:
            file.executescript(f"PRAGMA synchronous = OFF; BEGIN; {script}; COMMIT")


class _Lender:
    """The schemas of this process."""

    def __init__(self) -> None:
        # The names and the layouts of schemas, by the URL of a database whose tables are in them; and those that are
        # not lent.
        self._schemas: dict[str, tuple[str, object]] = {}
        self._free: list[str] = []
        self._made = ExitStack()
        # The server is there by now, so it ends after this.
        self._connection = psycopg.connect(find_server_url(), autocommit=True)
        self._connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_S}s'".encode())
        atexit.register(self._end)

    def lend(self) -> str:
        return self._free.pop() if self._free else self._make()

    def take_back(self, url: str) -> None:
        name, layout = self._schemas[url]
        if self._see_layout(name) == layout:
            empty(SqlPlace(url))
            self._free.append(url)

    def run(self, url: str, script: str) -> None:
        """Run statements in one transaction, all or none of them."""
        name, _ = self._schemas[url]
        self._connection.execute(f'SET search_path = "{name}"; {script}'.encode())

    def _make(self) -> str:
        url = self._made.enter_context(make_postgres_schema())
        with opened(url), psycopg.connect(url) as connection:
            [name] = connection.execute("SELECT current_schema()").fetchone()
        self._schemas[url] = (name, self._see_layout(name))
        return url

    def _see_layout(self, name: str) -> object:
        return self._connection.execute(_LAYOUT.encode(), {"schema": name}).fetchone()

    def _end(self) -> None:
        self._connection.close()
        self._made.close()


@functools.cache
def _find_lender() -> _Lender:
    return _Lender()


@functools.cache
def _make_file() -> bytes:
    """Return the content of a database file with tables."""
    with tempfile.TemporaryDirectory(prefix="heksher-lent-") as directory:
        file = Path(directory, "heksher.db")
        with opened(str(file)):
            pass
        return file.read_bytes()


@functools.cache
def _write_new() -> str:
    """Return the statements that store what the migrations leave in new tables."""
    state = {column.name: 1 if column.primary_key else 0 for column in WRITE_STATE.columns}
    return _write([insert(WRITE_STATE).values(state), insert(HEKSHER_VERSION).values(version_num=SCHEMA_VERSION)])


def _write(statements: Iterable[UpdateBase]) -> str:
    return "; ".join(str(statement.compile(compile_kwargs={"literal_binds": True})) for statement in statements)
