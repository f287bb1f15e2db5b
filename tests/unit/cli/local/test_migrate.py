"""``heksher migrate``: what it says, and how it ends. What migrations do is in ``tests/unit/server/storage``."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.root import heksher as command
from tests.support.old_databases import make_first_database
from tests.support.processes import DEADLINE_S
from tests.support.storages import SqlPlace


def invoke(*arguments: str, **environment: str) -> Result:
    cleared = dict.fromkeys(("HEKSHER_DB_CONNECTION_STRING", "HEKSHER_STARTUP_CONTEXT_FEATURES", "DOC_ONLY"))
    return CliRunner(env=cleared | environment).invoke(command, ["migrate", *arguments])


@pytest.fixture
def old(tmp_path: Path) -> str:
    """The path of a database of the first schema."""
    file = tmp_path / "old.db"
    make_first_database(SqlPlace(f"sqlite:///{file}"))
    return str(file)


DUE = (
    "0002 Note which migrations were run, when, and by which version.",
    "0003 Keep each change of a log entry as a row of its own, with the fields that differ; number settings for good.",
    "0004 Keep what is needed of entries that are removed from the log: who made last changes, and what was deleted.",
    "0005 Keep who may do what: tokens, people, and the key that their cookies are signed with.",
    "0006 Keep what each actor is: a token, a person, or nobody who is known.",
    "0007 Let the log be read by who made changes, and by what kind of objects they are about, in pages.",
    "0008 Keep who is told of changes: webhooks, how far each was told, and which process does that.",
    "0009 Keep what programs use: when each setting was last asked for, and which clients ask.",
    "0010 Keep proposals, which are writes that wait, and the policies that demand them.",
)


def list_all(word: str) -> str:
    """Return a line for each migration that a database of the first schema lacks."""
    return "".join(f"{word}: {migration}\n" for migration in DUE)


def test_says_what_was_done(old: str):
    """Each migration, and later that there is nothing left to do."""
    first, second = invoke("--db", old), invoke("--db", old)
    assert (0, list_all("done")) == (first.exit_code, first.output)
    assert (0, f"up to date: {old}\n") == (second.exit_code, second.output)


def test_tells_how_far_it_is(old: str):
    """On the standard error: a long one would else be silent."""
    command_line = [sys.executable, "-m", "heksher", "migrate", "--db", old]
    done = subprocess.run(command_line, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    assert list_all("done") == done.stdout
    assert "converting the change log: 3 entries\n" in done.stderr


def test_check_changes_nothing(old: str):
    """It says what there is to do, as often as it is asked, and exits with 1."""
    for _ in range(2):
        result = invoke("--db", old, "--check")
        assert (1, list_all("due")) == (result.exit_code, result.output)


def test_check_succeeds_when_nothing_is_due(old: str):
    """It exits with 0 then."""
    invoke("--db", old)
    result = invoke("--db", old, "--check")
    assert (0, f"up to date: {old}\n") == (result.exit_code, result.output)


def test_check_makes_no_database(tmp_path: Path):
    """Where there is none, that is an error."""
    result = invoke("--db", str(tmp_path / "new.db"), "--check")
    assert (1, f"Error: there is no database file {tmp_path / 'new.db'}\n") == (result.exit_code, result.output)
    assert [] == list(tmp_path.iterdir())


def test_the_database_is_that_of_the_service(tmp_path: Path):
    """The variable of the service, or the file in the user's data directory, which is made."""
    invoke(HEKSHER_DB_CONNECTION_STRING=str(tmp_path / "a.db"))
    result = invoke(XDG_DATA_HOME=str(tmp_path))
    assert (tmp_path / "a.db").exists()
    assert (tmp_path / "heksher" / "heksher.db").exists()
    assert "done: 0001 The first schema.\n" + list_all("done") == result.output


@pytest.mark.parametrize("arguments", [["--db", "memory:"], ["--db", "mysql://host/db"], ["--db", "/missing/a.db"]])
def test_an_error_is_one_line(arguments: list[str]):
    """It says what is wrong, and the exit status is 1."""
    result = invoke(*arguments)
    assert 1 == result.exit_code
    assert result.output.startswith("Error: ")
    assert 1 == len(result.output.splitlines())
