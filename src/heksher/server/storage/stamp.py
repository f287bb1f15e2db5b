"""The stamp of a log entry: what tells it from another entry that got the same number in another history."""

import secrets


def make_stamp() -> str:
    """Return twelve random hexadecimal digits."""
    return secrets.token_hex(6)
