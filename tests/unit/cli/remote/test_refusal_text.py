"""What is said of answers that are no success."""

import json
import re
from pathlib import Path

import pytest

import heksher.server.operations
from heksher.cli.remote.refusal_text import make_error
from heksher.clients.conversation.exchange import Response

PLACE = "http://host"
OPERATIONS = Path(heksher.server.operations.__file__).parent


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
            {"detail": [{"loc": ["body", "value"], "msg": "no"}, {"loc": ["query", "after"], "msg": "neither"}]},
            "value: no; after: neither",
        ),
        ({"detail": "operation 3: body.value: no"}, "operation 3: value: no"),
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


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_stands_before_a_service_says_that_it_is_away(status: int):
    """That is no reason to doubt the address first."""
    told = "the service behind it cannot be reached; try again later, or is HEKSHER_URL wrong?"
    assert (6, f"http://host answers with status {status}: {told}") == refuse(status, b"<html>", "text/html")


@pytest.mark.parametrize("code", ["policies.py", "reviewing.py", "restoring.py", "deletion_protection.py"])
def test_what_is_advised_is_for_commands(code: str):
    """Whoever runs one sends no request: what services say is put into options."""
    texts = re.findall(r"[^\"\n]*force=true", (OPERATIONS / code).read_text())
    assert texts
    for text in texts:
        told = refuse(403, {"title": "x", "detail": f"(POST /api/v1/proposals) {text}"})[1]
        assert told.startswith("(heksher propose, or --propose) ")
        assert told.endswith(("with --force", "with --force (a proposal: ?force=true in its path)"))
