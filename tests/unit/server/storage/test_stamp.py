"""Tests of the stamps of log entries."""

import re

from heksher.server.storage.stamp import make_stamp


def test_stamps_differ() -> None:
    """Each is twelve hexadecimal digits, and none comes twice."""
    stamps = {make_stamp() for _ in range(1000)}
    assert 1000 == len(stamps)
    assert all(re.fullmatch("[0-9a-f]{12}", stamp) for stamp in stamps)
