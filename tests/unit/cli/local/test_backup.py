"""``heksher backup`` and ``heksher restore``: what they say. What they do is in ``tests/unit/server/storage``."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.root import heksher as command
from heksher.server.storage.sql import SqlStorage
from tests.support.old_databases import fill
from tests.support.storages import a_person, a_token, opened, store


def invoke(*arguments: object, **environment: str) -> Result:
    cleared = dict.fromkeys(("HEKSHER_DB_CONNECTION_STRING", "HEKSHER_STARTUP_CONTEXT_FEATURES", "DOC_ONLY"))
    return CliRunner(env=cleared | environment).invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with some of everything."""
    file = tmp_path / "heksher.db"
    storage = SqlStorage(str(file))
    storage.open()
    fill(storage)
    storage.close()
    return file


COUNTS = "2 settings and 5 rules at revision 3"


def test_says_what_was_copied(database: Path, tmp_path: Path):
    """How much, of which revision, and to where."""
    file, target = tmp_path / "backup.db", tmp_path / "target.db"
    backup = invoke("backup", file, "--db", database)
    assert (0, f"backed up {COUNTS} to {file}\n") == (backup.exit_code, backup.output)
    restore = invoke("restore", file, "--db", target)
    assert (0, f"restored {COUNTS} to {target}\n") == (restore.exit_code, restore.output)


def test_the_database_is_that_of_the_service(database: Path, tmp_path: Path):
    """The variable of the service, or the file in the user's data directory, which is made."""
    file = tmp_path / "backup.db"
    assert 0 == invoke("backup", file, HEKSHER_DB_CONNECTION_STRING=str(database)).exit_code
    result = invoke("restore", file, XDG_DATA_HOME=str(tmp_path))
    assert f"restored {COUNTS} to {tmp_path / 'heksher' / 'heksher.db'}\n" == result.output


def test_force_replaces_a_file(database: Path, tmp_path: Path):
    """Without it, a file that is there is an error, in one line."""
    file = tmp_path / "backup.db"
    file.write_text("precious")
    refused, replaced = (invoke("backup", file, "--db", database, *more) for more in ([], ["--force"]))
    assert (1, 1) == (refused.exit_code, len(refused.output.splitlines()))
    assert "--force" in refused.output
    assert 0 == replaced.exit_code


def test_what_is_no_file_is_not_replaced(database: Path, tmp_path: Path):
    """A pipe, or a device such as /dev/null, which whoever may do everything could replace."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    result = invoke("backup", str(pipe), "--db", str(database), "--force")
    assert (1, True) == (result.exit_code, pipe.is_fifo())
    assert "pipe is no file" in result.output


def test_restoring_into_a_database_in_use_is_an_error(database: Path, tmp_path: Path):
    """In one line."""
    file = tmp_path / "backup.db"
    invoke("backup", file, "--db", database)
    result = invoke("restore", file, "--db", database)
    assert (1, 1) == (result.exit_code, len(result.output.splitlines()))
    assert f"Error: {database} is not empty" in result.output


def test_a_restore_lists_the_tokens_that_are_valid_again(database: Path, tmp_path: Path):
    """With what they allow and until when; neither command shows what tokens, passwords or keys are kept as."""
    far, past = datetime(2999, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    tokens = [
        replace(a_token("ci", expires_at=far), grants=("declare:shop.", "edit:shop.")),
        a_token("expired", expires_at=past),
        replace(a_token("idle"), grants=()),
        a_token("laptop"),
    ]
    with opened(str(database)) as storage:
        store(storage, *(lambda writer, token=token: writer.put_token(token) for token in tokens))
        store(storage, lambda writer: writer.put_person(a_person()), lambda writer: writer.set_signing_key("secret"))
    file, target = tmp_path / "backup.db", tmp_path / "target.db"
    backup, restore = invoke("backup", file, "--db", database), invoke("restore", file, "--db", target)
    assert f"backed up 2 settings and 5 rules at revision 5 to {file}\n" == backup.output
    assert [
        f"restored 2 settings and 5 rules at revision 6 to {target}",
        "these tokens are valid, also those that were revoked since the backup was made:",
        "  ci      declare:shop. edit:shop., expires 2999-01-02 03:04 UTC",
        "  idle    no grants, never expires",
        "  laptop  admin, never expires",
    ] == restore.output.splitlines()
