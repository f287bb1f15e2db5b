"""``heksher access person``: what it says and does. What is refused is in ``tests/unit/server/operations``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.local import secret_input
from heksher.cli.root import heksher as command
from heksher.server.access.password import verify_password
from heksher.server.storage.access_records import PersonRecord
from heksher.server.storage.base import LoggedChange, Origin, Writer
from tests.support.operations import read_last
from tests.support.principals import find_person
from tests.support.storages import opened

PASSWORD = "correct horse"  # noqa: S105 - of nobody


def invoke(*arguments: object, database: Path, given: str = "") -> Result:
    runner = CliRunner(env={"HEKSHER_DB_CONNECTION_STRING": None})
    return runner.invoke(command, ["access", "person", *map(str, arguments), "--db", str(database)], input=given)


def find(database: Path, name: str) -> PersonRecord | None:
    with opened(str(database)) as storage:
        return find_person(storage, name)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with the admin ``ada``, who has a password."""
    file = tmp_path / "heksher.db"
    invoke("add", "ada", "--grant", "admin", "--password-stdin", database=file, given=PASSWORD)
    return file


def test_a_person_is_added(tmp_path: Path):
    """Into a database that is made; the log says by whom, and has nothing secret."""
    database = tmp_path / "new.db"
    result = invoke(
        "add",
        "Ada L",
        "--grant",
        "edit:in.",
        "--grant",
        "declare",
        "--password-stdin",
        database=database,
        given=PASSWORD,
    )
    assert (0, "added 'Ada L', who may do edit:in., declare\n") == (result.exit_code, result.output)
    person = find(database, "Ada L")
    assert (("edit:in.", "declare"), True) == (person.grants, verify_password(person.password_hash, PASSWORD))
    with opened(str(database)) as storage:
        entry = read_last(storage)
    assert (Origin("heksher", "on the machine, by heksher access"), "add") == (entry.origin, entry.change.action)
    assert "argon2" not in repr(entry)


def test_a_password_is_asked_for(database: Path, monkeypatch: pytest.MonkeyPatch):
    """Where nobody sends one: of a new person, and of one who is there."""
    monkeypatch.setattr(secret_input, "has_terminal", lambda: True)
    for arguments, password in ((["add", "bob"], PASSWORD), (["password", "bob"], "another horse")):
        result = invoke(*arguments, database=database, given=f"{password}\n{password}\n")
        assert (0, False) == (result.exit_code, password in result.output)
        assert verify_password(find(database, "bob").password_hash, password)


def test_somebody_who_signs_in_elsewhere_needs_no_password(database: Path):
    """Nor grants, which may come from there, too."""
    result = invoke("add", "eve", "--no-password", database=database)
    assert (0, "added 'eve', who may do nothing\n") == (result.exit_code, result.output)
    assert (None, ()) == ((eve := find(database, "eve")).password_hash, eve.grants)
    both = invoke("add", "bob", "--no-password", "--password-stdin", database=database)
    assert (2, True, None) == (both.exit_code, "contradict each other" in both.output, find(database, "bob"))


def test_another_password_signs_out(database: Path):
    """And is the only one then."""
    before = find(database, "ada")
    result = invoke("password", "ada", "--password-stdin", database=database, given="another horse\n")
    assert (0, "'ada' has another password, and has to sign in again everywhere\n") == (result.exit_code, result.output)
    after = find(database, "ada")
    assert [False, True] == [verify_password(after.password_hash, text) for text in (PASSWORD, "another horse")]
    assert after.epoch > before.epoch


@pytest.mark.parametrize("given", ["", "short", "a" * 1001, "a" * 10_000, "two\nlines and more"])
def test_a_bad_password_is_refused_without_a_word_of_it(database: Path, given: str):
    """In one line; nothing changes."""
    before = find(database, "ada")
    result = invoke("password", "ada", "--password-stdin", database=database, given=given)
    assert (1, 1) == (result.exit_code, len(result.output.splitlines()))
    assert not given or given not in result.output
    assert before == find(database, "ada")


def test_people_are_listed(database: Path):
    """As a table for people, and as JSON for programs; without what is secret."""

    def add_elsewhere(writer: Writer) -> None:
        writer.put_person(PersonRecord("eve", ("read",), None, "https://login.example", "17"))
        writer.record(LoggedChange("add", "person", "eve", None, {}))

    with opened(str(database)) as storage:
        storage.write(add_elsewhere)
    assert ("NAME  GRANTS  SIGNS IN WITH\nada   admin   a password\neve   read    https://login.example\n") == invoke(
        "list", database=database
    ).stdout
    result = invoke("list", "--json", database=database)
    assert [
        {"name": "ada", "grants": ["admin"], "has_password": True, "issuer": None, "subject": None},
        {"name": "eve", "grants": ["read"], "has_password": False, "issuer": "https://login.example", "subject": "17"},
    ] == json.loads(result.stdout)["people"]
    assert "argon2" not in result.output


def test_a_person_is_removed(database: Path):
    """The last admin, too, as it is done on the machine."""
    result = invoke("remove", "ada", database=database)
    assert (0, "removed 'ada'\n", None) == (result.exit_code, result.output, find(database, "ada"))
    listed = invoke("list", database=database)
    assert (0, "", "there are no people\n") == (listed.exit_code, listed.stdout, listed.stderr)
    for arguments in (["remove", "ada"], ["password", "ada", "--password-stdin"]):
        again = invoke(*arguments, database=database, given=PASSWORD)
        assert (1, "Error: there is no person named 'ada'\n") == (again.exit_code, again.output)


def test_a_name_is_taken_once(database: Path):
    """And is no name if it would confuse a terminal."""
    for name, message in (("ada", "already"), ("a\x1b[2Jb", "cannot be seen"), ("", "empty")):
        result = invoke("add", name, "--no-password", database=database)
        assert (1, 1, True) == (result.exit_code, len(result.output.splitlines()), message in result.output)
        assert "\x1b" not in result.output
