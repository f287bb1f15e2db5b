"""What is believed of an ID token: all of it, once every check has passed, and nothing before.

The signature is checked by joserfc with the provider's own keys, and only by algorithms with a public key: one that
is signed with a shared secret, or not at all, is refused whatever the provider announces. The claims are checked by
Authlib.

Source: OpenID Connect Core 1.0, sections 3.1.3.7 and 16; RFC 8725, section 3.1.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

# Authlib has no types.
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet, import_key
from joserfc.jws import JWSRegistry

from heksher.server.sign_in.sign_in_error import RefusedSignInError
from heksher.value_type import JSON

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
# By how much the clocks of provider and service may differ.
_MAX_SKEW_S: Final = 60
# OpenID Connect Core 1.0, section 2.
_MAX_SUBJECT_CHARACTERS: Final = 255


class UnknownKeyError(RefusedSignInError):
    """The token is signed with a key that is not known: perhaps the provider has a new one."""

    def __init__(self) -> None:
        super().__init__("the ID token is signed with a key that is not the provider's")


@dataclass(frozen=True, slots=True)
class TokenExpectation:
    """What an ID token must say.

    Attributes:
        issuer: who has made it.
        client_id: for whom.
        nonce: in answer to which sign-in.
        access_token: what came with it; ``None`` if nothing did.
    """

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None


def read_keys(entries: Iterable[JSON]) -> KeySet:
    """Return those of a provider's keys that can be used; it may have others, for other things."""
    keys: list[Key] = []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("use", "sig") == "sig":
            try:
                keys.append(import_key(entry))
            except (JoseError, KeyError, TypeError, ValueError):
                continue
    return KeySet(keys)


def check_id_token(
    token: str, keys: KeySet, expected: TokenExpectation, now_s: float | None = None
) -> Mapping[str, JSON]:
    """Return the claims of an ID token that has passed every check.

    Args:
        token: the token as it came.
        keys: the provider's keys.
        expected: what it must say.
        now_s: the time, by ``time.time``; ``None`` for now.

    Raises:
        UnknownKeyError: it is signed with a key that is not there.
        RefusedSignInError: it is not to be believed; the message says why.
    """
    # A provider that knows more header fields than joserfc does no harm; those that must be understood are refused.
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    try:
        read = jwt.decode(token, keys, registry=registry)
    except InvalidKeyIdError:
        raise UnknownKeyError from None
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RefusedSignInError(f"the ID token's signature is not to be believed: {type(error).__name__}") from None
    claims = CodeIDToken(
        read.claims,
        read.header,
        {"iss": {"essential": True, "value": expected.issuer}, "aud": {"essential": True, "value": expected.client_id}},
        {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token},
    )
    try:
        claims.validate(int(time.time() if now_s is None else now_s), _MAX_SKEW_S)
    except ClaimError as error:
        raise RefusedSignInError(f"the ID token is not for this sign-in: {error.claim}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise RefusedSignInError(f"the ID token is malformed: {type(error).__name__}") from None
    # Each is signed by the provider, and may still be anything.
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARACTERS:
        raise RefusedSignInError("the ID token is malformed: sub")
    return dict(claims)
