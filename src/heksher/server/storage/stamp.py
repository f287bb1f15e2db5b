"""The stamp of a log entry, which distinguishes it from one with the same number in another history."""

import secrets


def make_stamp() -> str:
    """Return twelve random hexadecimal digits."""
    return secrets.token_hex(6)
