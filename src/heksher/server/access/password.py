"""The passwords of people, kept as argon2id has them."""

import threading
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Each takes 64 MiB and a good part of a processor: more at a time would let strangers take both from everybody.
_AT_A_TIME: Final = 2

_turns: Final = threading.BoundedSemaphore(_AT_A_TIME)
_hasher: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """Return what is stored of a password."""
    with _turns:
        return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Return whether a password is the one that something is stored of.

    Takes the same time where nothing is stored, so that nobody can tell who exists.
    """
    with _turns:
        try:
            _hasher.verify(_make_decoy() if stored is None else stored, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None


@cache
def _make_decoy() -> str:
    """Return what is stored of a password that nobody has."""
    return _hasher.hash("")
