"""After all attacks, no token, password, cookie or key stands anywhere but where it was told on purpose."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from heksher.server.access.token import digest_token
from heksher.server.operations import people
from tests.hostile.guarded import PASSWORD, Attack, Guarded, make, running_guarded
from tests.hostile.test_guarded import LISTS
from tests.support.processes import run_python

NEW_PASSWORD = "a horse of another colour"  # noqa: S105 - of this service alone
WRONG_PASSWORD = "hunter2hunter2"  # noqa: S105 - of nobody
# An answer that tells a secret on purpose.
TELLING = re.compile(rb"^set-cookie: [^\r]*\r$|\"token\":\"[^\"]*\"", re.MULTILINE)
LISTINGS = (
    ("access", "token", "list"), ("access", "token", "list", "--json"), ("access", "person", "list"),
    ("access", "person", "list", "--json"),
)  # fmt: skip


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_appear_nowhere(tmp_path: Path, log_format: str):
    """In no line of the log, no answer, no entry of the change log, and nothing that the commands print."""
    with running_guarded(tmp_path, "--access-log", "--log-format", log_format) as guarded:
        # First, as attacks use up what may be tried in a minute.
        for name, password in (("Ada", PASSWORD), ("Rob", PASSWORD), ("Ada", WRONG_PASSWORD), (WRONG_PASSWORD, "x")):
            guarded.sign_in(name, password)
        for attack in itertools.chain(*(list_attacks(guarded) for list_attacks in LISTS), list_careless(guarded)):
            guarded.send(attack)
        secrets = list_secrets(guarded)
        printed = print_all(guarded, tmp_path)
        entries = list(map(repr, guarded.read_log()))
    lines = guarded.service.lines
    assert len(lines) > len(guarded.answers) > 700
    for where, texts in (("log", lines), ("entry", entries), ("listing", printed)):
        assert [] == [(where, text) for text in texts for secret in secrets if secret in text]
    assert [] == [line for line in lines if "Traceback" in line]
    assert [] == list(list_telling_answers(guarded, secrets))


def list_careless(guarded: Guarded) -> Iterator[Attack]:
    """Yield what people do by mistake, with a secret where it does not belong."""
    admin, token = guarded.bear("admin"), guarded.tokens["read"]
    for path in ("tokens", "people", "settings", "context_features", "nothing"):
        for method in ("GET", "PATCH", "DELETE"):
            yield Attack("a token in a path", make(method, f"/api/v1/{path}/{token}", admin, body={}), "4xx")
    yield Attack("a token in a path of nobody", make("GET", f"/{token}/{'a' * 930}{token}"), "401")
    yield Attack(
        "a token as a name", make("POST", "/api/v1/tokens", admin, body={"name": token, "grants": ["read"]}), ""
    )
    more = {"name": f"the {token}", "grants": ["read"]}
    yield Attack("a token in a name", make("POST", "/api/v1/tokens", admin, body=more), "422")
    yield Attack(
        "a token as a grant", make("POST", "/api/v1/tokens", admin, body={"name": "a", "grants": [token]}), "422"
    )
    for password in (12345678, [PASSWORD], {"password": PASSWORD}, PASSWORD * 100, PASSWORD[:3], None):
        body = {"name": "new", "grants": [], "password": password}
        if password is not None:
            yield Attack("a strange password", make("POST", "/api/v1/people", admin, body=body), "422")
    cut = b'{"name": "new", "grants": [], "password": "' + PASSWORD.encode()
    yield Attack("a body that is cut off", make("POST", "/api/v1/people", admin, body=cut), "422")
    yield Attack(
        "another password", make("POST", "/api/v1/people/Ada/password", admin, body={"password": NEW_PASSWORD}), "204"
    )
    yield Attack("one more", make("POST", "/api/v1/tokens", admin, body={"name": "more", "grants": ["read"]}), "201")
    form = f"name=Ada&password={PASSWORD}".encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        for more in (b"&password=x", b"&a=%ff"):
            broken = make("POST", "/sign-in", f"Content-Type: {content_type}", body=form + more)
            yield Attack("a broken form", broken, "4xx")


def list_secrets(guarded: Guarded) -> set[str]:
    """Return all that is secret: what people and programs send, and what the database has of it."""
    texts = [answer.text.decode("latin-1") for answer in guarded.answers]
    cookies = {value for text in texts for value in re.findall("set-cookie: heksher=([^;]+);", text)}
    more = {token for text in texts for token in re.findall('"token":"([^"]+)"', text)}
    secrets = {*guarded.tokens.values(), *guarded.sessions.values(), *cookies, *more, guarded.key}
    assert len(more) == 1
    assert len(cookies) == 2
    secrets |= {digest_token(token) for token in guarded.tokens.values()}
    secrets |= {person.password_hash for person in people.list_all(guarded.storage)}
    return secrets | {PASSWORD, PASSWORD.replace(" ", "%20"), PASSWORD.replace(" ", "+"), NEW_PASSWORD, WRONG_PASSWORD}


def list_telling_answers(guarded: Guarded, secrets: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the answers with a secret that they do not tell on purpose, and that its sender did not ask about."""
    for attack, text in guarded.answers:
        head, _, body = attack.request.partition(b"\r\n\r\n")
        asked = head.partition(b"\r\n")[0] + body
        shown = TELLING.sub(b"", text)
        for secret in secrets:
            if secret.encode() in shown and secret.encode() not in asked:
                yield attack.name, text


def print_all(guarded: Guarded, directory: Path) -> list[str]:
    """Return what the commands print that list or copy what is there."""
    database, copy, restored = (str(directory / name) for name in ("heksher.db", "copy.db", "restored.db"))
    commands = [(*listing, "--db", database) for listing in LISTINGS]
    commands += [("backup", copy, "--db", database), ("restore", copy, "--db", restored)]
    printed = [line for command in commands for line in run_python(["-m", "heksher", *command])]
    # What was restored lists the tokens that hold again.
    assert any("declare:in." in line for line in printed[-9:])
    return printed
