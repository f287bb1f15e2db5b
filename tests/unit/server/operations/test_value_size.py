"""The bound for the size of a value."""

import pytest

from heksher.server.errors import InvalidInputError
from heksher.server.operations.metadata import merge, overwrite, remove_key
from heksher.server.operations.value_size import bound, require_size


def test_what_counts_is_the_json_as_it_is_sent():
    """As UTF-8 without spaces, however it was written."""
    for value, size in [("abc", 5), ("é", 4), ([1, 2.0, None], 12), ({"a": {"b": True}}, 16)]:
        require_size(value, size, "value")
        with pytest.raises(
            InvalidInputError, match=f"JSON of value has {size} bytes, and .* at most {size - 1} "
        ) as it:
            require_size(value, size - 1, "value")
        assert ("value",) == it.value.location


def test_an_edit_is_refused_by_what_it_makes():
    """Metadata that grow key by key are bound as those that are given at once."""
    assert {"a": 1, "b": 2} == bound(merge({"b": 2}), 13)({"a": 1})
    with pytest.raises(InvalidInputError, match="metadata has 13 bytes"):
        bound(merge({"b": 2}), 12)({"a": 1})


def test_metadata_that_are_too_large_already_can_shrink():
    """What was imported, or was taken while the bound was higher, stays as it is or gets smaller."""
    large = {"a": "x" * 100, "b": 1}
    assert {"b": 1} == bound(remove_key("a"), 10)(large)
    assert large == bound(overwrite(large), 10)(large)
    with pytest.raises(InvalidInputError):
        bound(merge({"c": 1}), 10)(large)
