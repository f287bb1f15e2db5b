"""Tests of JSON as the text that storages keep."""

from collections import UserDict, UserList

import pytest
from hypothesis import given

from heksher.server.storage.json_text import decode_json, decode_json_object, encode_json
from heksher.server.storage.storage_errors import ContractError, StorageCorruptError
from heksher.value_type import JSON
from tests.support.json_strategies import json_values


@given(json_values())
def test_text_gives_back_its_value(value: JSON) -> None:
    """A value that was written and read is the same, down to the types of its numbers."""
    assert repr(decode_json(encode_json(value))) == repr(value)


@given(json_values())
def test_text_has_only_what_every_database_takes(value: JSON) -> None:
    """The text is printable ASCII."""
    text = encode_json(value)
    assert text.isascii()
    assert text.isprintable()


def test_writes_any_sequence_and_mapping() -> None:
    """What only behaves like a list or an object is written as one."""
    assert encode_json((UserDict(a=UserList([1])),)) == '[{"a":[1]}]'


def nest(depth: int) -> JSON:
    value: JSON = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), [float("-inf")], {"a": object()}, 10**5000, nest(100_000)], ids=lambda _: ""
)
def test_refuses_what_is_no_json(value: JSON) -> None:
    """A value that could not be read again is not written."""
    with pytest.raises(ContractError, match="cannot be stored as JSON"):
        encode_json(value)


@pytest.mark.parametrize("text", ["", "{", "[1", "x" * 1000, "[" * 100_000])
def test_tells_of_texts_that_are_no_json(text: str) -> None:
    """A text that is not JSON was not written by this program; the message quotes its beginning."""
    with pytest.raises(StorageCorruptError, match="where JSON is expected") as caught:
        decode_json(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["[]", "null", '"a"'])
def test_tells_of_texts_that_are_no_object(text: str) -> None:
    """Where an object is expected, another value was not written by this program."""
    with pytest.raises(StorageCorruptError, match="JSON object is expected"):
        decode_json_object(text)
