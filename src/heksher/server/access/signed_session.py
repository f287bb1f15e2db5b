"""What a browser remembers of somebody who has signed in: who, when, and at which epoch of theirs, signed.

Nothing of it is stored. A session ends by itself, and all of somebody's together when their epoch is raised; all of
everybody's, when there is another key.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from itsdangerous import BadData, URLSafeSerializer

MAX_SESSION_S: Final = 12 * 3600
# What browsers keep at least of a cookie (RFC 6265, section 6.1).
_MAX_CHARACTERS: Final = 4096
# By how much the clocks of two replicas may differ.
_MAX_SKEW_S: Final = 300
_KEY_BYTES: Final = 32
# What is signed for one purpose is of no use for another.
_PURPOSE: Final = "heksher.session"


@dataclass(frozen=True, slots=True)
class SignedSession:
    """What a cookie says, once its signature and its age have been checked.

    Attributes:
        person: the name of who has signed in.
        signed_in_s: when, by ``time.time``.
        epoch: the person's epoch then; if it is another one now, the session has ended.
    """

    person: str
    signed_in_s: int
    epoch: int

    @property
    def end_s(self) -> int:
        """When it ends by itself, by ``time.time``."""
        return self.signed_in_s + MAX_SESSION_S


def make_key() -> str:
    """Return a new key to sign with: 256 random bits."""
    return secrets.token_urlsafe(_KEY_BYTES)


def sign(key: str, person: str, epoch: int, now_s: float) -> str:
    """Return the cookie of somebody who signs in now.

    Args:
        key: what to sign with, not empty.
        person: the name of who signs in.
        epoch: the person's epoch.
        now_s: the time, by ``time.time``.
    """
    return sign_content(key, _PURPOSE, [person, int(now_s), epoch])


def read(key: str, cookie: str, now_s: float) -> SignedSession | None:
    """Return the session of a cookie; ``None`` if it is not one that was signed with this key, or it has ended.

    Args:
        key: what it must be signed with; nothing is, if it is empty.
        cookie: any text.
        now_s: the time, by ``time.time``.
    """
    match read_signed(key, _PURPOSE, cookie):
        case [str(person), int(signed_in_s), int(epoch)]:
            session = SignedSession(person, signed_in_s, epoch)
            return session if signed_in_s - _MAX_SKEW_S <= now_s < session.end_s else None
        case _:
            return None


def sign_content(key: str, purpose: str, content: list[str | int]) -> str:
    """Return something that a browser is to keep, signed, for one purpose. It can be read by anybody.

    Args:
        key: what to sign with, not empty.
        purpose: a text that stands for the purpose.
        content: what to keep.
    """
    if not key:
        raise ValueError("there is no key to sign with")
    return _make_signer(key, purpose).dumps(content)


def read_signed(key: str, purpose: str, text: str) -> object:
    """Return what was signed with this key for this purpose; ``None`` if the text is nothing such.

    Args:
        key: as in ``sign_content``, or empty.
        purpose: as in ``sign_content``.
        text: any text.
    """
    if not key or len(text) > _MAX_CHARACTERS or not text.isascii():
        return None
    try:
        content: object = _make_signer(key, purpose).loads(text)
    except BadData:
        return None
    return content


def _make_signer(key: str, purpose: str) -> URLSafeSerializer:
    # The defaults are there for what was signed long ago.
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(key, purpose, signer_kwargs=options)
