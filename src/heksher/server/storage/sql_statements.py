"""How units of work send statements, and the digests that replace texts of any length in keys."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import CompoundSelect, Connection, Delete, Insert, Row, Select, Update

from heksher.server.storage.dialect import MAX_BIG_KEY, Dialect
from heksher.server.storage.json_text import encode_json
from heksher.server.storage.records import Conditions

T = TypeVar("T")

# A row of any columns. SQLAlchemy cannot know the types for tables that are defined without its ORM.
AnyRow: TypeAlias = "Row[*tuple[object, ...]]"
Query: TypeAlias = "Select[*tuple[object, ...]] | CompoundSelect[*tuple[object, ...]]"
Parameters = Mapping[str, object] | Sequence[Mapping[str, object]]

# Databases limit the parameters of a statement (SQLite to 32,766, PostgreSQL to 65,535), so long lists are queried in
# batches; rows are also written in batches, so that not all of them need be in memory in each form.
MAX_BATCH: Final = 1000
# The execution option of statements whose outcome nobody waits for: see ``postgres_deferring``.
DEFERRABLE: Final = "heksher_deferrable"
# The highest number in a 32-bit column.
MAX_INTEGER: Final = 2**31 - 1


class Statements:
    """Sends statements on one connection. Does not begin or end its transaction."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    @property
    def place(self) -> str:
        """The database's name in messages."""
        return self._dialect.place

    def lock_writers(self) -> None:
        """Keep other transactions from writing until this one ends."""
        with self._dialect.translating("locking"):
            self._dialect.lock_writers(self._connection)

    def fetch(self, statement: Query, parameters: Mapping[str, object] | None = None) -> Sequence[AnyRow]:
        """Return the rows of a query."""
        with self._dialect.translating("reading"):
            return self._connection.execute(statement, parameters).all()

    def run(self, statement: Insert | Update | Delete, parameters: Parameters, doing: str) -> int:
        """Run a statement and return the number of rows that it changed."""
        with self._dialect.translating(doing):
            return self._connection.execute(statement, parameters).rowcount

    def run_later(self, statement: Insert | Update | Delete, parameters: Parameters, doing: str) -> None:
        """Run a statement, at the latest before the next one that is run at once, or at the end of the transaction.

        Whether it fails may be known only then: so a method of a writer whose last statement is run at once has raised
        all errors by its end.
        """
        with self._dialect.translating(doing):
            self._connection.execute(statement, parameters, execution_options={DEFERRABLE: True})

    def run_each(self, statement: Insert | Update | Delete, rows: Iterable[Mapping[str, object]], doing: str) -> None:
        """Run a statement for each row; there may be none."""
        # SQLAlchemy takes an empty list of rows for one row of default values.
        if parameters := list(rows):
            self.run(statement, parameters, doing)

    def run_each_later(self, statement: Insert, rows: Iterable[Mapping[str, object]], doing: str) -> None:
        """Run a statement for each row, as ``run_later`` does."""
        if parameters := list(rows):
            self.run_later(statement, parameters, doing)


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists of at most ``MAX_BATCH``, as they arrive."""
    remaining = iter(items)
    while batch := list(islice(remaining, MAX_BATCH)):
        yield batch


def write_conditions(conditions: Conditions) -> str:
    """Return the conditions of a rule as text; equal mappings have equal texts."""
    return encode_json(dict(sorted(conditions.items())))


def digest_conditions(conditions: Conditions) -> str:
    """Return a digest of a rule's conditions for use in a key: 64 characters, whatever their length."""
    return hashlib.sha256(write_conditions(conditions).encode()).hexdigest()


def clip(number: int, highest: int = MAX_BIG_KEY) -> int:
    """Return the number nearest to ``number`` in the range of a column, from 0 to ``highest``."""
    return min(max(number, 0), highest)
