"""Tests of the fields of a logged change as text."""

import hashlib

import pytest

from heksher.server.storage.log_text import MAX_INLINE_BYTES, list_digests, read_fields, write_fields
from heksher.server.storage.records import Fields
from heksher.server.storage.storage_errors import ContractError, StorageCorruptError

# With its quotation marks, as long as a value may be to stand in the text, and one longer.
LONGEST = "x" * (MAX_INLINE_BYTES - 2)
LONG = LONGEST + "x"
DIGEST = hashlib.sha256(f'"{LONG}"'.encode()).hexdigest()


@pytest.mark.parametrize(
    ("fields", "text", "digests"),
    [
        (None, None, set()),
        ({}, "{}", set()),
        ({"a": 1, "b": [1.0, "é"]}, '{"a":1,"b":[1.0,"\\u00e9"]}', set()),
        ({"a": LONGEST}, f'{{"a":"{LONGEST}"}}', set()),
        ({"a": 1, "b": LONG}, f'[{{"a":1}},{{"b":"{DIGEST}"}}]', {DIGEST}),
        ({"a": LONG, "b": LONG}, f'[{{}},{{"a":"{DIGEST}","b":"{DIGEST}"}}]', {DIGEST}),
    ],
)
def test_fields_come_back(fields: Fields | None, text: str | None, digests: set[str]) -> None:
    """Short values stand in the text, long ones beside it, each once."""
    long_values: dict[str, str] = {}
    assert text == write_fields(fields, long_values)
    assert dict.fromkeys(digests, f'"{LONG}"') == long_values
    assert digests == list_digests([text, "{}", None])
    assert fields == read_fields(text, long_values)


def test_what_is_no_json_is_refused() -> None:
    """As everywhere in a storage."""
    with pytest.raises(ContractError):
        write_fields({"a": float("nan")}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "where JSON is expected"),
        ("1", "'1' where the fields of a change are expected"),
        ("[{}]", "where the fields of a change are expected"),
        ('[{},{"a":"0"}]', "the change log lacks the value 0 of 'a'"),
    ],
)
def test_other_texts_are_quoted(text: str, message: str) -> None:
    """They are not what this program has written."""
    with pytest.raises(StorageCorruptError, match=message):
        read_fields(text, {})
