"""What is said of answers that are no success."""

import json

import pytest

from heksher.cli.remote.refusal_text import make_error
from heksher.clients.conversation.exchange import Response

PLACE = "http://host"


def refuse(status: int, content: object, kind: str = "application/json") -> tuple[int, str]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    error = make_error(Response(status, {"content-type": kind}, body), PLACE, has_token=True)
    return error.exit_code, error.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, 1),
        (401, 5),
        (403, 5),
        (404, 1),
        (409, 4),
        (410, 1),
        (412, 4),
        (422, 1),
        (500, 1),
        (502, 6),
        (503, 6),
        (504, 6),
        (507, 1),
    ],
)
def test_a_status_is_an_exit_status(status: int, expected: int):
    """Of which there are few."""
    assert (expected, "so it is") == refuse(status, {"title": "x", "detail": "so it\n is"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"detail": [{"loc": ["body", "value"], "msg": "no"}, {"loc": ["path"], "msg": "neither"}]},
            "body.value: no; path: neither",
        ),
        ({"conflicts": ["this", "that"]}, "this; that"),
        ({"outcome": "rejected"}, '{"outcome": "rejected"}'),
    ],
)
def test_each_form_of_an_error_is_read(content: object, expected: str):
    """Those of v1, too."""
    assert (4, expected) == refuse(409, content)


def test_a_text_is_told():
    """As v1 says that there is no setting."""
    assert (1, "there is no setting named 'a'") == refuse(
        404, b"there is no setting named 'a'", "text/plain; charset=utf-8"
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[" * 100_000], ids=["nothing", "html", "list", "deep"])
def test_anything_else_is_no_service(body: bytes):
    """Which may be behind the wrong address."""
    expected = (6, "http://host answers with status 404, as no Heksher service does: is HEKSHER_URL right?")
    assert expected == refuse(404, body, "text/html")


def test_who_is_not_permitted_stays_so():
    """A proxy may want to know who it is, too."""
    assert 5 == refuse(403, b"<html>", "text/html")[0]
