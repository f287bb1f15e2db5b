"""``heksher prune``: what it says. What it does is in ``tests/conformance/test_storage_prune.py``."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.root import heksher as command
from heksher.server.storage.sql import SqlStorage
from tests.support.old_databases import FixedClock, fill, make_first_database
from tests.support.storages import SqlPlace, opened


def invoke(*arguments: object) -> Result:
    return CliRunner(env={"HEKSHER_DB_CONNECTION_STRING": None}).invoke(command, ["prune", *map(str, arguments)])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with three entries of the first of November 2026."""
    file = tmp_path / "heksher.db"
    storage = SqlStorage(str(file), FixedClock())
    storage.open()
    fill(storage)
    storage.close()
    return file


def list_log(database: Path) -> list[int]:
    with opened(str(database)) as storage:
        return [entry.revision for entry in storage.read(lambda reader: reader.log())]


def test_it_says_how_many_entries_it_removed(database: Path):
    """And from where; what is younger stays."""
    result = invoke("--keep-days", 100_000, "--db", database)
    assert (0, f"removed 0 entries older than 100000 days from {database}\n") == (result.exit_code, result.output)
    result = invoke("--keep-days", 0, "--db", database)
    assert (0, [3]) == (result.exit_code, list_log(database))
    assert f"removed 2 entries older than 0 days from {database}\n" == result.output


@pytest.mark.parametrize("arguments", [[], ["--keep-days", "-1"], ["--keep-days", "many"], ["--keep-days", ""]])
def test_days_have_to_be_given(database: Path, arguments: list[str]):
    """There is no default for what is lost."""
    result = invoke(*arguments, "--db", database)
    assert (2, True, [1, 2, 3]) == (result.exit_code, "--keep-days" in result.output, list_log(database))


def test_it_makes_no_database_and_migrates_none(tmp_path: Path):
    """Each is an error in one line, with what to do."""
    make_first_database(SqlPlace(f"sqlite:///{tmp_path / 'old.db'}"))
    for place, message in (
        (tmp_path / "missing.db", "there is no database file"),
        (tmp_path / "old.db", "run 'heksher migrate' first"),
        ("memory:", "ends with its process"),
    ):
        result = invoke("--keep-days", 1, "--db", place)
        assert (1, 1) == (result.exit_code, len(result.output.splitlines()))
        assert message in result.output
    assert not (tmp_path / "missing.db").exists()
