"""How units of work send statements, and the digests that stand for texts of any length in keys."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection, Delete, Insert, Row, Select, Update

from heksher.server.storage.dialect import MAX_BIG_KEY, Dialect
from heksher.server.storage.json_text import encode_json
from heksher.server.storage.records import Conditions

T = TypeVar("T")

# A row of any columns. SQLAlchemy cannot know the types of tables that are written without its object mapper.
AnyRow: TypeAlias = "Row[*tuple[object, ...]]"
Query: TypeAlias = "Select[*tuple[object, ...]]"
Parameters = Mapping[str, object] | Sequence[Mapping[str, object]]

# Databases limit the number of parameters of a statement (SQLite to 32,766, PostgreSQL to 65,535), so a longer list is
# asked for in parts; and many rows are written in parts, as all of them need not be in memory in each form.
MAX_BATCH: Final = 1000
# The highest number in a column for 32 bits.
MAX_INTEGER: Final = 2**31 - 1


class Statements:
    """Sends statements on one connection, whose transaction it leaves alone."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect

    @property
    def place(self) -> str:
        """Which database it is, for messages."""
        return self._dialect.place

    def fetch(self, statement: Query, parameters: Mapping[str, object] | None = None) -> Sequence[AnyRow]:
        """Return the rows that a query finds."""
        with self._dialect.translating("reading"):
            return self._connection.execute(statement, parameters).all()

    def run(self, statement: Insert | Update | Delete, parameters: Parameters, doing: str) -> int:
        """Run a statement and return the number of rows that it changed."""
        with self._dialect.translating(doing):
            return self._connection.execute(statement, parameters).rowcount

    def run_each(self, statement: Insert | Update | Delete, rows: Iterable[Mapping[str, object]], doing: str) -> None:
        """Run a statement for each row, of which there may be none."""
        # To SQLAlchemy, an empty list of rows means one row of default values.
        if parameters := list(rows):
            self.run(statement, parameters, doing)


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Divide items into lists of at most ``MAX_BATCH``, as they come."""
    remaining = iter(items)
    while batch := list(islice(remaining, MAX_BATCH)):
        yield batch


def write_conditions(conditions: Conditions) -> str:
    """Write the conditions of a rule as text, the same for all mappings that are equal."""
    return encode_json(dict(sorted(conditions.items())))


def digest_conditions(conditions: Conditions) -> str:
    """Return what stands for the conditions of a rule in a key: 64 characters, whatever their length."""
    return hashlib.sha256(write_conditions(conditions).encode()).hexdigest()


def clip(number: int, highest: int = MAX_BIG_KEY) -> int:
    """Return the number from 0 to the highest one that a column takes that is nearest to a number."""
    return min(max(number, 0), highest)
