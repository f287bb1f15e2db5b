"""A service that checks who may do what, in a process of its own, and everybody who may something there.

Settings that begin with ``in.`` are those that limited grants are for; no limited grant is for ``out.``.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from heksher.server.access.grants import parse_grants
from heksher.server.access.signed_session import sign
from heksher.server.access.token import make_token
from heksher.server.operations import context_features, people, rules, tokens
from heksher.server.operations.declaration import declare
from heksher.server.operations.differences import Declaration
from heksher.server.sign_in.signing_key import ensure_signing_key
from heksher.server.storage.access_records import PersonRecord
from heksher.server.storage.base import NOBODY, LogEntry, Reader, Storage
from heksher.server.storage.location import storage_for
from heksher.value_type import parse_value_type
from tests.support.access import give_token
from tests.support.raw_client import connecting
from tests.support.service import ServiceProcess

GRANTS = ("evaluate", "read", "declare", "declare:in.", "edit", "edit:in.", "admin")
PASSWORD = "correct horse battery"  # noqa: S105 - of this service alone
# Whatever an attack with one of these names would do must never stand in the log of changes.
SETTINGS = ("in.a", "in.b", "out.a", "out.b")
_OTHER_VERSION = 505
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
_FORM = "Content-Type: application/x-www-form-urlencoded"


class Attack(NamedTuple):
    """Bytes that are sent to a service, and what comes of them.

    Attributes:
        name: what is tried.
        request: what is sent: one request, or several on one connection.
        expected: the statuses of the answers; one of several texts such as ``401`` or ``4xx``, separated by blanks,
            for each, and a comma between two answers.
        changes: how many entries of the change log come of it.
    """

    name: str
    request: bytes
    expected: str
    changes: int = 0


class Answer(NamedTuple):
    """An answer, and the bytes that it was given to."""

    attack: Attack
    text: bytes

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers on the connection."""
        return [int(status) for status in _STATUS.findall(self.text)]


def make(method: str, target: str, *fields: str, body: object = None, is_last: bool = True) -> bytes:
    """Return the bytes of a request.

    Args:
        method: its method.
        target: its target, as it is sent.
        fields: further header fields; each character stands for one byte.
        body: bytes, or what the JSON in its body is; ``None`` for no body.
        is_last: whether it is the last one of its connection.
    """
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", *(["Host: localhost"] if not any(map(_is_host, fields)) else []), *fields]
    if content:
        lines.append(f"Content-Length: {len(content)}")
    if is_last:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def _is_host(field: str) -> bool:
    return field.lower().startswith("host:")


class Guarded:
    """The service, and how to get in.

    Attributes:
        tokens: the tokens by their only grant; ``ended`` is one that has ended, and ``revoked`` was taken back.
        sessions: the values of the session cookies of ``Ada`` (admin), ``Rob`` (read) and ``Eve`` (nothing).
        key: what they are signed with.
        rules: the ids of the rules by their settings.
        storage: what the service works on.
        database: its file.
        service: its process.
        answers: all answers so far.
    """

    def __init__(self, storage: Storage, database: Path) -> None:
        self.storage = storage
        self.database = database
        self.service: ServiceProcess
        self.answers: list[Answer] = []
        for feature in ("user", "theme"):
            context_features.add_feature(storage, feature, NOBODY)
        self.rules = {}
        for name in SETTINGS:
            declare(storage, make_declaration(name), NOBODY)
            self.rules[name] = rules.add(storage, name, {"user": "a"}, 2, {"by": "setup"}, NOBODY).result
        self.tokens = {
            grant: tokens.create(storage, grant, parse_grants([grant]), None, NOBODY).result for grant in GRANTS
        }
        self.tokens |= {"ended": make_token(), "revoked": make_token()}
        give_token(storage, "admin", name="ended", secret=self.tokens["ended"], expires_in=timedelta())
        for name, grants in (("Ada", ["admin"]), ("Rob", ["read"]), ("Eve", [])):
            people.add(storage, name, parse_grants(grants), PASSWORD, NOBODY)
        self.key = ensure_signing_key(storage)
        self.sessions = {name: self.sign(name) for name in ("Ada", "Rob", "Eve")}

    def sign(self, name: str, age_s: float = 0.0, epoch: int | None = None, key: str | None = None) -> str:
        """Return the value of the cookie of somebody who has signed in so many seconds ago."""
        epoch = self.find_person(name).epoch if epoch is None else epoch
        return sign(key or self.key, name, epoch, time.time() - age_s)

    def find_person(self, name: str) -> PersonRecord:
        """Return the record of a person."""
        return next(person for person in people.list_all(self.storage) if person.name == name)

    def bear(self, grant: str) -> str:
        """Return the header field with a token."""
        return f"Authorization: Bearer {self.tokens[grant]}"

    def carry(self, name: str) -> tuple[str, ...]:
        """Return the header fields of a request of the service's own page by somebody who has signed in."""
        return f"Cookie: heksher={self.sessions[name]}", "Sec-Fetch-Site: same-origin"

    def try_out(self, attack: Attack) -> list[str]:
        """Send the bytes of an attack; return what is not as it should be."""
        before = self.count_changes()
        answer = self.send(attack)
        found, wanted = answer.statuses, [part.split() for part in attack.expected.split(",")]
        are_right = len(found) == len(wanted) and all(map(_is_expected, found, wanted))
        faults = [] if are_right else [f"{attack.name}: {found} instead of {attack.expected}"]
        # That the version of HTTP is another one is the client's doing.
        faults += [f"{attack.name}: {status}" for status in found if status >= 500 and status != _OTHER_VERSION]
        changes = self.count_changes() - before
        return faults if changes == attack.changes else [*faults, f"{attack.name}: {changes} changes"]

    def send(self, attack: Attack) -> Answer:
        """Send the bytes of an attack; return the answer."""
        with connecting(self.service.url) as client:
            client.send(attack.request)
            answer = Answer(attack, client.read_to_end())
        self.answers.append(answer)
        return answer

    def ask(self, method: str, target: str, *fields: str, body: object = None) -> tuple[int, Any]:
        """Send a request; return the status of its answer, and its content."""
        answer = self.send(Attack("", make(method, target, *fields, body=body), ""))
        content = answer.text.partition(b"\r\n\r\n")[2]
        return answer.statuses[0], json.loads(content) if content.startswith((b"{", b"[")) else content.decode()

    def sign_in(self, name: str, password: str = PASSWORD) -> Answer:
        """Sign somebody in as a browser does."""
        form = urlencode({"name": name, "password": password}).encode()
        return self.send(Attack("", make("POST", "/sign-in", _FORM, "Sec-Fetch-Site: same-origin", body=form), ""))

    def count_changes(self) -> int:
        """Return the revision."""
        return self.storage.read(_get_revision)

    def read_log(self) -> list[LogEntry]:
        """Return all entries of the change log."""
        return self.storage.read(lambda reader: reader.log())


def make_declaration(name: str, version: str = "1.0", alias: str | None = None) -> Declaration:
    """Return the declaration of a setting."""
    return Declaration(name, frozenset({"user"}), parse_value_type("int"), 1, version, {}, alias)


@contextmanager
def running_guarded(directory: Path, *options: str) -> Iterator[Guarded]:
    """Run one, on a database in a directory.

    Args:
        directory: is empty.
        options: further arguments of ``heksher serve``.
    """
    database = directory / "heksher.db"
    storage = storage_for(str(database))
    storage.open()
    try:
        guarded = Guarded(storage, database)
        with ServiceProcess(database, "--access", *options) as guarded.service:
            yield guarded
    finally:
        storage.close()


def _is_expected(status: int, wanted: list[str]) -> bool:
    return str(status) in wanted or f"{status // 100}xx" in wanted


def _get_revision(reader: Reader) -> int:
    return reader.revision()
