"""Tests of what only the SQL storage does with webhooks; the rest is in ``tests/conformance``."""

import traceback
from pathlib import Path

import pytest

from heksher.revision_id import RevisionId
from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageCorruptError, StorageError
from heksher.server.storage.webhook_records import DeliveryRecord
from tests.support.storages import SqlPlace, a_webhook, make_place, store


def make_webhook(storage: Storage) -> None:
    """Store a webhook that was told of a revision."""
    delivery = DeliveryRecord("alerts", RevisionId(1))
    store(storage, lambda writer: writer.put_webhook(a_webhook()), lambda writer: writer.put_delivery(delivery))


@pytest.mark.parametrize(
    ("table", "column", "content"),
    [
        ("webhook", "created_at", "yesterday"),
        ("webhook", "prefixes", "["),
        ("webhook_delivery", "failing_since", ""),
        ("webhook_delivery", "problem", "none"),
    ],
)
def test_what_this_program_did_not_write_is_corrupt(tmp_path: Path, table: str, column: str, content: str) -> None:
    """The message says what was expected."""
    with make_place("sqlite", tmp_path) as place:
        assert isinstance(place, SqlPlace)
        storage = place.connect()
        storage.open()
        make_webhook(storage)
        place.run_sql(f"UPDATE {table} SET {column} = '{content}'")  # noqa: S608 - not from outside
        with pytest.raises(StorageCorruptError, match=r"the storage holds .* where .* is expected"):
            storage.read(lambda reader: (reader.webhooks(), reader.deliveries()))
        storage.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_errors_quote_no_secrets(tmp_path: Path, kind: str) -> None:
    """Not even the errors that led to them, which are in the log when this program has a fault."""
    with make_place(kind, tmp_path) as place:
        assert isinstance(place, SqlPlace)
        storage = place.connect()
        storage.open()
        place.run_sql("DROP TABLE webhook_delivery")
        place.run_sql("DROP TABLE webhook")
        with pytest.raises(StorageError) as caught:
            make_webhook(storage)
        storage.close()
    text = "".join(traceback.format_exception(caught.value))
    assert "webhook" in text
    assert "whsec_c2VjcmV0" not in text
    assert "alerts.example" not in text
