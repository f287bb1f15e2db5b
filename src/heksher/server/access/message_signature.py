"""The secrets of webhooks, and the signatures of messages, by which their receivers know who has sent them.

Source: Standard Webhooks 1.0, *Signature scheme*: HMAC-SHA256 of the message's id, the time, and its body.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - no secret

_KEY_BYTES: Final = 32


def make_secret() -> str:
    """Return a new secret, in the form in which the libraries of receivers take it."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def make_headers(secret: str, message_id: str, body: bytes, now_s: float) -> dict[str, str]:
    """Return the header fields that identify, date and sign a message.

    Args:
        secret: of the webhook, as ``make_secret`` returned it.
        message_id: the same for each attempt to send the message; without a dot.
        body: exactly what is sent.
        now_s: the time of this attempt, by ``time.time``.
    """
    timestamp = str(int(now_s))
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
