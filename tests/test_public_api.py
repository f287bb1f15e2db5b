"""What the library promises is as it was reviewed."""

import difflib

from tests.support.public_api import COMMAND, FILE, describe_api


def test_public_api_is_as_reviewed():
    """A change of a public name, parameter, default or type is seen in review: it changes a file."""
    reviewed, actual = FILE.read_text(encoding="utf-8"), describe_api()
    diff = "".join(
        difflib.unified_diff(reviewed.splitlines(keepends=True), actual.splitlines(keepends=True), "reviewed", "actual")
    )
    assert reviewed == actual, f"the public API has changed; if that is meant: {COMMAND}\n{diff}"
