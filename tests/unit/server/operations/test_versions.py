"""Versions of settings."""

import pytest

from heksher.server.errors import ConflictError
from heksher.server.operations.versions import is_major_upgrade, is_newer, normalize_version, require_newer
from tests.support.storages import a_setting

ASCENDING = ["0.0", "0.9", "0.10", "1.0", "1.1", "1.9", "1.10", "2.0", "10.0"]


def test_versions_are_ordered_as_numbers():
    """Each is newer than all before it, and than no other."""
    assert [[earlier < later for earlier in range(9)] for later in range(9)] == [
        [is_newer(version, than=other) for other in ASCENDING] for version in ASCENDING
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("1.9", "2.0", True), ("1.9", "1.10", False), ("9.0", "10.0", True), ("2.0", "1.9", False)],
)
def test_a_major_upgrade_has_a_greater_first_number(old: str, new: str, expected: bool):
    """Compared as a number."""
    assert expected == is_major_upgrade(old, new)


@pytest.mark.parametrize(("text", "expected"), [("1.0", "1.0"), ("01.00", "1.0"), ("0.010", "0.10")])
def test_leading_zeros_are_dropped(text: str, expected: str):
    """Zeros at the end stay."""
    assert expected == normalize_version(text)


@pytest.mark.parametrize("version", ["1.0", "0.9"])
def test_a_change_needs_a_newer_version(version: str):
    """The message has both."""
    with pytest.raises(ConflictError, match=rf"version 1\.0 already.*{version}"):
        require_newer(a_setting(), version)
    require_newer(a_setting(), "1.1")
