"""``heksher access token``: what it says and does. What is refused is in ``tests/unit/server/operations``."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.local import token_commands
from heksher.cli.output import UntoldError
from heksher.cli.root import heksher as command
from heksher.server.access.grants import parse_grants
from heksher.server.access.token import digest_token, is_token
from heksher.server.operations import tokens
from heksher.server.storage.base import NOBODY, LoggedChange, Origin, Writer
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.old_databases import make_first_database
from tests.support.operations import read_last
from tests.support.principals import find_token
from tests.support.processes import DEADLINE_S
from tests.support.storages import SqlPlace, opened


def invoke(*arguments: object, database: Path | str | None = None, **environment: str) -> Result:
    cleared = {"HEKSHER_DB_CONNECTION_STRING": None, "XDG_DATA_HOME": None, **environment}
    where = [] if database is None else ["--db", str(database)]
    return CliRunner(env=cleared).invoke(command, ["access", "token", *map(str, arguments), *where])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with the tokens ``ci`` and ``old``, the latter of which has ended."""
    file = tmp_path / "heksher.db"
    with opened(str(file)) as storage:
        tokens.create(storage, "ci", parse_grants(["declare", "edit:in."]), None, NOBODY)
        tokens.create(storage, "old", parse_grants(["read"]), None, Origin("ada"))
        past = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
        record = find_token(storage, "old")

        def end(writer: Writer) -> None:
            writer.put_token(type(record)(record.name, record.digest, record.grants, "ada", past, past))
            writer.record(LoggedChange("change", "token", "old", {}, {}))

        storage.write(end)
        storage.note_token_uses({"old": past})
    return file


def test_a_token_is_all_that_is_written_to_the_standard_output(tmp_path: Path):
    """So a shell can keep it; what is to be said of it is on the standard error. The database is made."""
    database = tmp_path / "new.db"
    result = invoke(
        "create", "my ci", "--grant", "declare", "--grant", "edit:in.", "--grant", "declare", database=database
    )
    token = result.stdout.removesuffix("\n")
    year = datetime.now(UTC) + timedelta(days=365)
    assert (0, True) == (result.exit_code, is_token(token))
    assert (
        f"token 'my ci' allows declare, edit:in. until {year:%Y-%m-%d}. It is shown this once: keep it where secrets"
        " are kept\n"
    ) == result.stderr
    with opened(str(database)) as storage:
        record, entry = find_token(storage, "my ci"), read_last(storage)
    assert (digest_token(token), ("declare", "edit:in."), "heksher") == (record.digest, record.grants, record.creator)
    assert abs(record.expires_at - year) < timedelta(minutes=1)
    assert Origin("heksher", "on the machine, by heksher access") == entry.origin


@pytest.mark.parametrize(("expires", "days"), [("1", 1), ("36500", 36500), ("never", None)])
def test_a_token_ends_when_it_is_to(database: Path, expires: str, days: int | None):
    """After some days, or never, which is not said then."""
    result = invoke("create", "new", "--grant", "read", "--expires", expires, database=database)
    with opened(str(database)) as storage:
        end = find_token(storage, "new").expires_at
    assert (days is None) == (end is None)
    assert end is None or abs(end - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=1)
    assert (days is not None) == ("until" in result.stderr)


def test_programs_get_json(database: Path):
    """Of a new token, and of the list."""
    created = json.loads(invoke("create", "new", "--grant", "read", "--json", database=database).stdout)
    assert ("new", True) == (created["name"], is_token(created["token"]))
    result = invoke("list", "--json", database=database)
    listed = json.loads(result.stdout)["tokens"]
    assert ["ci", "new", "old"] == [token["name"] for token in listed]
    assert {
        "name": "old",
        "grants": ["read"],
        "creator": "ada",
        "created_at": "2026-11-01T09:30:00+00:00",
        "expires_at": "2026-11-01T09:30:00+00:00",
        "last_used_at": "2026-11-01T09:00:00+00:00",
    } == listed[2]
    assert "digest" not in result.output


def test_people_get_a_table(database: Path):
    """Which says of a token that it has ended."""
    with opened(str(database)) as storage:
        today = f"{find_token(storage, 'ci').created_at:%Y-%m-%d}"
    assert (
        "NAME  GRANTS             CREATOR  CREATED     ENDS               LAST USE\n"
        f"ci    declare, edit:in.  -        {today}  never              never\n"
        "old   read               ada      2026-11-01  2026-11-01 (past)  2026-11-01 09:00\n"
    ) == invoke("list", database=database).stdout


def test_a_token_is_revoked(database: Path):
    """By its name; the last one, too, as it is done on the machine."""
    invoke("create", "root", "--grant", "admin", database=database)
    for name in ("root", "ci", "old"):
        result = invoke("revoke", name, database=database)
        assert (0, f"revoked token {name!r}\n") == (result.exit_code, result.output)
    result = invoke("list", database=database)
    assert (0, "", "there are no tokens\n") == (result.exit_code, result.stdout, result.stderr)
    again = invoke("revoke", "ci", database=database)
    assert (1, "Error: there is no token named 'ci'\n") == (again.exit_code, again.output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "a"], "'--grant'"),
        (["create", "a", "--grant", "reads"], "no grant"),
        (["create", "a", "--grant", "read:in."], "cannot be limited"),
        (["create", "a", "--grant", "read", "--expires", "0"], "1 to 36500, nor is it never"),
        (["create", "a", "--grant", "read", "--expires", "tomorrow"], "no whole number"),
        (["create", "a", "b", "--grant", "read"], "unexpected extra argument"),
        (["revoke"], "'NAME'"),
    ],
)
def test_what_makes_no_sense_is_an_error_of_use(tmp_path: Path, arguments: list[str], message: str):
    """And nothing is made."""
    result = invoke(*arguments, database=tmp_path / "new.db")
    assert (2, True, False) == (result.exit_code, message in result.output, (tmp_path / "new.db").exists())


def test_a_token_in_the_place_of_a_name_is_not_shown(database: Path):
    """Neither by the operation nor by an error of use."""
    token = invoke("create", "new", "--grant", "read", database=database).stdout.strip()
    for arguments in (["revoke", token], ["create", token, "--grant", "read"], ["revoke", "ci", token]):
        result = invoke(*arguments, database=database)
        assert (True, False) == (result.exit_code in {1, 2}, token[4:] in result.output)


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "ci"]])
def test_no_database_is_made_to_look_at(tmp_path: Path, arguments: list[str]):
    """In one line."""
    result = invoke(*arguments, database=tmp_path / "missing.db")
    assert (1, 1, False) == (result.exit_code, len(result.output.splitlines()), (tmp_path / "missing.db").exists())
    assert "there is no database file" in result.output


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "ci"], ["create", "ci", "--grant", "read"]])
def test_no_database_is_migrated(tmp_path: Path, arguments: list[str]):
    """Services of the former version may run on it."""
    make_first_database(SqlPlace(f"sqlite:///{tmp_path / 'old.db'}"))
    result = invoke(*arguments, database=tmp_path / "old.db")
    assert (1, True) == (result.exit_code, "run 'heksher migrate' first" in result.output)


def test_a_database_in_memory_keeps_nothing():
    """So no token is made in one."""
    result = invoke("create", "ci", "--grant", "read", database="memory:")
    assert (1, "") == (result.exit_code, result.stdout)
    assert "ends with its process" in result.output


def test_the_database_is_that_of_the_service(tmp_path: Path):
    """The variable of the service, or the file in the user's data directory, which is made."""
    assert 0 == invoke("create", "a", "--grant", "read", XDG_DATA_HOME=str(tmp_path)).exit_code
    file = tmp_path / "heksher" / "heksher.db"
    listed = invoke("list", "--json", HEKSHER_DB_CONNECTION_STRING=str(file)).stdout
    assert ["a"] == [token["name"] for token in json.loads(listed)["tokens"]]


CREATE = [sys.executable, "-m", "heksher", "access", "token", "create", "ci", "--grant", "admin", "--db", "heksher.db"]


@contextmanager
def making_full() -> Iterator[int]:
    """Make an output to which nothing can be written any more, as on a disk that is full."""
    with Path("/dev/full").open("wb") as file:
        yield file.fileno()


@contextmanager
def making_unread() -> Iterator[int]:
    """Make an output that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize(
    ("command_line", "making", "words"),
    [
        (CREATE, making_full, "the standard output cannot be written to: No space left on device"),
        (CREATE, making_unread, "nobody reads the standard output any more"),
        (["sh", "-c", 'exec "$@" >&-', "sh", *CREATE], making_unread, "there is no standard output"),
    ],
)
def test_a_token_that_nobody_was_told_is_revoked_again(
    tmp_path: Path,
    command_line: list[str],
    making: Callable[[], AbstractContextManager[int]],
    words: str,
    more: list[str],
):
    """It would be valid, and nobody would know; the command says so, without a word of Python."""
    with making() as output:
        done = subprocess.run(
            [*command_line, *more],
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert (1, f"Error: {words}: token 'ci' was not told, and was revoked again\n") == (done.returncode, done.stderr)
    with opened(str(tmp_path / "heksher.db")) as storage:
        actions = [entry.change.action for entry in storage.read(lambda reader: reader.log())]
        assert ((), ["create", "revoke"]) == (tokens.list_all(storage), actions)


def test_a_token_is_revoked_again_where_somebody_does_not_wait(database: Path, monkeypatch: pytest.MonkeyPatch):
    """For a reader that reads nothing."""

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(token_commands, "tell_once", interrupt)
    result = invoke("create", "untold", "--grant", "read", database=database)
    assert (1, "Aborted!") == (result.exit_code, result.stderr.strip())
    with opened(str(database)) as storage:
        assert find_token(storage, "untold") is None


def test_it_is_said_where_a_token_cannot_be_revoked_again(database: Path, monkeypatch: pytest.MonkeyPatch):
    """Somebody has to do it later."""

    def fail(*_: object, **__: object) -> None:
        raise StorageUnavailableError("the database is away")

    def lose(_: str) -> None:
        raise UntoldError("it is lost")

    monkeypatch.setattr(tokens, "revoke", fail)
    monkeypatch.setattr(token_commands, "tell_once", lose)
    result = invoke("create", "untold", "--grant", "read", database=database)
    assert 1 == result.exit_code
    words = "it is lost: token 'untold' was not told, and could not be revoked again, so it is still valid"
    assert f"Error: {words}: the database is away\n" == result.stderr
