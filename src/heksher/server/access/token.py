"""The tokens of programs: 256 random bits, of which the service keeps a digest."""

import hashlib
import re
import secrets
from typing import Final

_PREFIX: Final = "hks_"
_RANDOM_BYTES: Final = 32
_FORM: Final = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}")


def make_token() -> str:
    """Return a new token: ``hks_`` and 43 characters, which tell people and scanners of leaks what it is."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def is_token(text: str) -> bool:
    """Return whether a text has the form of a token."""
    return _FORM.fullmatch(text) is not None


def hide_tokens(text: str) -> str:
    """Return a text without the tokens in it: of each there is the beginning, which tells that one was there."""
    return _FORM.sub(f"{_PREFIX}...", text)


def digest_token(token: str | bytes) -> str:
    """Return what is stored of a token: SHA-256, in hexadecimal digits.

    Nobody can try out 256 random bits, so a slow digest would protect nothing.
    """
    return hashlib.sha256(token if isinstance(token, bytes) else token.encode()).hexdigest()
