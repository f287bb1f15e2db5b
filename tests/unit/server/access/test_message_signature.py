"""Tests of the secrets of webhooks, and of the signatures of messages."""

import time
from base64 import b64decode

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from heksher.server.access.message_signature import make_headers, make_secret


def test_receivers_can_verify_a_message() -> None:
    """With the library of the standard; with another secret, body, id or time they cannot."""
    secret, body = make_secret(), b'{"text":"\xc3\xa9"}'
    headers = make_headers(secret, "17-0123456789ab", body, time.time())
    assert {"text": "é"} == Webhook(secret).verify(body, headers)
    wrong = [
        (make_secret(), body, headers),
        (secret, b"{}", headers),
        (secret, body, headers | {"webhook-id": "18-0123456789ab"}),
        (secret, body, headers | {"webhook-timestamp": str(int(time.time()) - 1)}),
        (secret, body, make_headers(secret, "17-0123456789ab", body, time.time() - 600)),
    ]
    for other_secret, other_body, other_headers in wrong:
        with pytest.raises(WebhookVerificationError):
            Webhook(other_secret).verify(other_body, other_headers)


def test_the_example_of_the_standard_is_signed_as_it_says() -> None:
    """The secret, id, time and body of its reference libraries' tests."""
    headers = make_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1614265330.9
    )
    assert {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    } == headers


def test_secrets_are_as_the_standard_has_them() -> None:
    """Random, of 24 to 64 bytes, in base64 behind a prefix."""
    secrets = {make_secret() for _ in range(10)}
    assert 10 == len(secrets)
    for secret in secrets:
        prefix, key = secret[:6], b64decode(secret[6:], validate=True)
        assert ("whsec_", 32) == (prefix, len(key))
