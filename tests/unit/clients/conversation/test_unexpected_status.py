"""What is said of answers to which a credential was refused, and of others."""

import json

import pytest

from heksher.clients.conversation.unexpected_status import describe_refused_credential, describe_unexpected
from heksher.value_type import JSON
from tests.support.conversation import respond

WANTED = "; the service does not accept the credential of this client, or wants one: pass token="


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"type": "about:blank", "detail": "no such token"}, "no such token"),
        ({"detail": "d" * 1000}, "d" * 300 + "…"),
        ({"detail": ["a list"]}, '{"detail": ["a list"]}'),
        ({"detail": ""}, '{"detail": ""}'),
        (["detail"], '["detail"]'),
        ("<html>", "<html>"),
        ("", "(no text)"),
        ("[" * 100_000, "[" * 300 + "…"),
    ],
)
def test_refused_credential(body: JSON, said: str) -> None:
    """The detail is said, or the text of what is no answer of our service; and of 401, what to do about it."""
    assert f": {said}{WANTED}" == describe_unexpected(respond(body, 401))
    assert f": {said}" == describe_unexpected(respond(body, 403)) == describe_refused_credential(respond(body, 403))


def test_other_status() -> None:
    """Of all others it is the text, as it came."""
    body = {"detail": "away"}
    assert ("", f": {json.dumps(body)}") == (
        describe_refused_credential(respond(body, 503)),
        describe_unexpected(respond(body, 503)),
    )
