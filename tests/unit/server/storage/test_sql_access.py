"""Tests of what only the SQL storage does with tokens and people; the rest is in ``tests/conformance``."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from heksher.server.storage.base import Storage, Writer
from heksher.server.storage.storage_errors import StorageCorruptError, StorageError
from tests.support.storages import SqlPlace, a_person, a_token, store


@pytest.fixture
def storage(place: SqlPlace) -> Iterator[Storage]:
    """An open storage with a token."""
    storage = place.connect()
    storage.open()
    store(storage, lambda writer: writer.put_token(a_token()))
    yield storage
    storage.close()


@pytest.mark.parametrize(
    ("column", "content"), [("created_at", "yesterday"), ("expires_at", ""), ("last_used_at", "x"), ("grants", "[")]
)
def test_what_this_program_did_not_write_is_corrupt(
    place: SqlPlace, storage: Storage, column: str, content: str
) -> None:
    """The message says what was expected."""
    place.run_sql(f"UPDATE token SET {column} = '{content}'")  # noqa: S608 - not from outside
    with pytest.raises(StorageCorruptError, match=r"the storage holds .* where .* is expected"):
        storage.read(lambda reader: reader.access())


@pytest.mark.parametrize(
    ("table", "step"),
    [
        ("token", lambda writer: writer.put_token(replace(a_token("new"), digest="secret"))),
        ("person", lambda writer: writer.put_person(replace(a_person(), password_hash="secret"))),  # noqa: S106 - none
        ("signing_key", lambda writer: writer.set_signing_key("secret")),
    ],
)
def test_errors_quote_no_secrets(
    place: SqlPlace, storage: Storage, table: str, step: Callable[[Writer], object]
) -> None:
    """Not even the errors that led to them, which are in the log when this program has a fault."""
    place.run_sql(f"DROP TABLE {table}")
    with pytest.raises(StorageError) as caught:
        store(storage, step)
    text = "".join(traceback.format_exception(caught.value))
    assert (True, False) == (table in text, "'secret'" in text)
