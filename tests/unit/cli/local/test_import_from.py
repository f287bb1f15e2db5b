"""``heksher import-from``: what it says, and how it ends. What it does is in ``tests/unit/server/importing``."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.local.request_header import HEADERS_VARIABLE
from heksher.cli.root import heksher as command
from heksher.server.operations import context_features, rules
from heksher.server.storage.base import NOBODY
from tests.support.existing_service import SimulatedService, fill
from tests.support.old_databases import make_first_database
from tests.support.processes import DEADLINE_S
from tests.support.storages import SqlPlace, opened
from tests.support.waiting import wait_until


def invoke(*arguments: object, **environment: str) -> Result:
    variables = (HEADERS_VARIABLE, "HEKSHER_DB_CONNECTION_STRING", "HEKSHER_STARTUP_CONTEXT_FEATURES", "DOC_ONLY")
    cleared = dict.fromkeys(variables)
    return CliRunner(env=cleared | environment).invoke(command, ["import-from", *map(str, arguments)])


@pytest.fixture
def simulated() -> SimulatedService:
    """An existing service with two settings with three rules each."""
    simulated = SimulatedService("user")
    fill(simulated, settings=2, rules_each=3)
    return simulated


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The path of a database that is not there yet."""
    return tmp_path / "new.db"


def test_the_help_says_what_each_exit_status_means():
    """And how to give credentials."""
    output = CliRunner().invoke(command, ["import-from", "--help"], terminal_width=10_000).output
    assert all(f"\n    {status}  " in output for status in range(6))
    assert "@FILE reads them from a file" in output
    assert "[env: HEKSHER_IMPORT_HEADERS, a line for each; default: none]" in output


def test_says_what_was_imported(simulated: SimulatedService, database: Path):
    """How much and to where, and how far it is on the standard error."""
    with simulated.serving() as url:
        result = invoke(url, "--db", database)
    assert 0 == result.exit_code
    assert [
        f"imported 2 settings and 6 rules into {database}, at revision 1",
        "both were read again, and are the same",
    ] == result.stdout.splitlines()
    assert "read 2 of 2 settings, 6 rules\nwriting 2 settings and 6 rules\n" in result.stderr


def test_the_database_is_that_of_the_service(simulated: SimulatedService, tmp_path: Path):
    """The variable of the service, or the file in the user's data directory, which is made."""
    with simulated.serving() as url:
        assert 0 == invoke(url, HEKSHER_DB_CONNECTION_STRING=str(tmp_path / "a.db")).exit_code
        assert 0 == invoke(url, XDG_DATA_HOME=str(tmp_path)).exit_code
    assert (tmp_path / "heksher" / "heksher.db").exists()


def test_the_next_id_can_be_given(simulated: SimulatedService, database: Path):
    """So that both services can be written to for a while."""
    with simulated.serving() as url:
        invoke(url, "--db", database, "--next-rule-id", 1000)
    with opened(str(database)) as storage:
        assert 1000 == rules.add(storage, "domain.setting_0", {"user": "new"}, 1, {}, NOBODY).result


def test_each_object_that_cannot_be_taken_is_named(simulated: SimulatedService, database: Path):
    """A thousand of them, too; nothing is written then, unless they are to be skipped."""
    for number in range(1000):
        simulated.add_rule("domain.setting_0", 1001 + number, "no number", {"user": f"u{number}"})
    reason = 'its value "no number" is no value of the type int'
    lines = [f"not taken: rule {1001 + number} of setting 'domain.setting_0': {reason}" for number in range(1000)]
    with simulated.serving() as url:
        refused = invoke(url, "--db", database)
        skipping = invoke(url, "--db", database, "--skip-invalid")
    assert (3, lines) == (refused.exit_code, refused.stdout.splitlines())
    assert "nothing was written: 1000 objects cannot be taken; --skip-invalid goes on" in refused.stderr
    assert (0, lines) == (skipping.exit_code, skipping.stdout.splitlines()[:1000])


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=["its owner first", "its owner last"])
def test_an_alias_that_is_the_name_of_another_setting_is_named(
    simulated: SimulatedService, database: Path, names: tuple[str, str]
):
    """With what to do about it; the setting that is called so is taken."""
    for name in names:
        simulated.add_setting(name, aliases=["a"] if name == "b" else [])
    line = (
        "not taken: alias 'a' of setting 'b': another setting is called so, and keeps the name: programs that mean 'b'"
        " by it have to say 'b'"
    )
    with simulated.serving() as url:
        refused = invoke(url, "--db", database)
        skipping = invoke(url, "--db", database, "--skip-invalid")
    assert (3, [line]) == (refused.exit_code, refused.stdout.splitlines())
    assert (0, line) == (skipping.exit_code, skipping.stdout.splitlines()[0])
    with opened(str(database)) as storage:
        assert {"a", "b"} <= {setting.name for setting in storage.read(lambda reader: reader.settings())}


def test_a_dry_run_makes_no_database(simulated: SimulatedService, database: Path):
    """It says what there is to do."""
    with simulated.serving() as url:
        result = invoke(url, "--db", database, "--dry-run")
    assert (0, False) == (result.exit_code, database.exists())
    assert [
        "context features: now user",
        "settings: 2 new, 0 changed, 0 gone, 0 unchanged; rules: 6 new, 0 changed, 0 gone, 0 unchanged",
        "nothing was written",
    ] == result.stdout.splitlines()


def test_a_dry_run_does_not_migrate(simulated: SimulatedService, database: Path):
    """A database of an older version is an error."""
    make_first_database(SqlPlace(f"sqlite:///{database}"))
    with simulated.serving() as url:
        result = invoke(url, "--db", database, "--dry-run", "--update")
    assert 1 == result.exit_code
    assert "run 'heksher migrate' first" in result.output


def test_what_was_changed_here_is_named(simulated: SimulatedService, database: Path):
    """An update writes nothing then, unless it is to be skipped; a dry run says the same."""
    with simulated.serving() as url:
        invoke(url, "--db", database)
        with opened(str(database)) as storage:
            rules.set_value(storage, 3, 9, NOBODY)
        simulated.rules["domain.setting_1"].pop()
        left = "left as it is: rule 3 of setting 'domain.setting_0': it was changed here, and is another one there"
        plan = "settings: 0 new, 0 changed, 0 gone, 2 unchanged; rules: 0 new, 0 changed, 1 gone, 4 unchanged"
        for option in ("--update", "--dry-run"):
            result = invoke(url, "--db", database, "--update", option)
            assert (4, [left, plan, "nothing was written"]) == (result.exit_code, result.stdout.splitlines())
            assert "changed here: 1 object; --skip-conflicts goes on without that" in result.stderr
        skipping = invoke(url, "--db", database, "--update", "--skip-conflicts")
    assert (
        0,
        [
            left,
            plan,
            f"wrote what is new, changed or gone into {database}, at revision 3",
            "both were read again, and are the same, apart from what is listed above",
        ],
    ) == (skipping.exit_code, skipping.stdout.splitlines())


def test_an_update_that_changes_nothing_says_so(simulated: SimulatedService, database: Path):
    """It does not claim to have imported or written what was there already; nor on the standard error."""
    with simulated.serving() as url:
        invoke(url, "--db", database)
        result = invoke(url, "--db", database, "--update")
    assert (0, False, False) == (result.exit_code, "writing 2" in result.stderr, "stored" in result.stderr)
    assert [
        "settings: 0 new, 0 changed, 0 gone, 2 unchanged; rules: 0 new, 0 changed, 0 gone, 6 unchanged",
        f"there was nothing to write into {database}, which stays at revision 1",
        "both were read again, and are the same",
    ] == result.stdout.splitlines()


def test_an_update_says_what_it_has_written(simulated: SimulatedService, database: Path):
    """And what was there already; another order of the context features is something, too."""
    with simulated.serving() as url:
        invoke(url, "--db", database)
        simulated.features.insert(0, "zone")
        result = invoke(url, "--db", database, "--update")
        simulated.rules["domain.setting_0"][0]["value"] = 99
        simulated.add_setting("new")
        again = invoke(url, "--db", database, "--update")
    assert [
        "context features: now zone, user",
        "settings: 0 new, 0 changed, 0 gone, 2 unchanged; rules: 0 new, 0 changed, 0 gone, 6 unchanged",
        f"wrote what is new, changed or gone into {database}, at revision 2",
    ] == result.stdout.splitlines()[:3]
    assert [
        "settings: 1 new, 0 changed, 0 gone, 2 unchanged; rules: 0 new, 1 changed, 0 gone, 5 unchanged",
        f"wrote what is new, changed or gone into {database}, at revision 3",
    ] == again.stdout.splitlines()[:2]


def test_what_differs_in_the_end_is_named(simulated: SimulatedService, database: Path):
    """Somebody has changed it in between; the status says so."""

    def change(path: str) -> None:
        if simulated.paths.count(path) == 2:
            simulated.features.append("new")
            simulated.rules["domain.setting_1"][0]["value"] = 99
            simulated.before_answer = lambda path: None

    simulated.before_answer = change
    with simulated.serving() as url:
        result = invoke(url, "--db", database)
    assert (5, ["differs: rule 6", "differs: the context features"]) == (
        result.exit_code,
        result.stdout.splitlines()[-2:],
    )
    assert "repeat this with --update" in result.stderr


def test_what_was_left_is_named_though_the_comparison_fails(simulated: SimulatedService, database: Path):
    """It is written, and nobody can read the list anywhere else."""
    simulated.add_setting("null", default_value=None)

    def fail(path: str) -> None:
        if simulated.paths.count(path) == 2:
            simulated.features = None

    simulated.before_answer = fail
    with simulated.serving() as url:
        result = invoke(url, "--db", database, "--skip-invalid")
    assert "not taken: setting 'null': its default is null" in result.stdout
    assert f"imported 2 settings and 6 rules into {database}, at revision 1" in result.stdout
    assert (1, True) == (result.exit_code, result.stderr.splitlines()[-1].startswith("Error: the existing service"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--skip-conflicts"], "--skip-conflicts is for --update"),
        (["--next-rule-id", 2**63], "'9223372036854775808' is no whole number from 1 to 9223372036854775807"),
    ],
)
def test_options_that_make_no_sense_are_an_error(database: Path, options: list[object], message: str):
    """Before anything is asked."""
    result = invoke("http://127.0.0.1:1", "--db", database, *options)
    assert (2, True, False) == (result.exit_code, message in result.stderr, database.exists())


@pytest.mark.parametrize("options", [[], ["--update"]])
def test_what_takes_nothing_leaves_no_database(simulated: SimulatedService, database: Path, options: list[str]):
    """The service is away, refuses, has what cannot be taken, more than there is room for, or nothing at all."""
    simulated.headers = {"Authorization": "Bearer a:b"}
    simulated.add_rule("domain.setting_0", 100, "no number", {"user": "new"})
    with simulated.serving() as url:
        arguments = [url, "--db", database, *options]
        refused = invoke(*arguments)
        header = ["--header", "Authorization: Bearer a:b"]
        invalid = invoke(*arguments, *header)
        full = invoke(*arguments, *header, "--skip-invalid", HEKSHER_MAX_RULES="5")
    away = invoke("http://127.0.0.1:1", "--db", database, *options)
    with SimulatedService().serving() as url:
        empty = invoke(url, "--db", database, *options)
    assert [1, 3, 1, 1, 0] == [each.exit_code for each in (refused, invalid, full, away, empty)]
    assert f"there was nothing to write into {database}\n" in empty.stdout
    assert [] == list(database.parent.iterdir())


def test_the_default_directory_is_made_for_what_is_taken_only(tmp_path: Path):
    """Nobody would know why it is there."""
    assert 1 == invoke("http://127.0.0.1:1", XDG_DATA_HOME=str(tmp_path)).exit_code
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"no database"])
def test_a_file_that_was_there_stays(database: Path, content: bytes):
    """Whatever it has; SQLite has noted in an empty one how it is to be read."""
    database.write_bytes(content)
    assert 1 == invoke("http://127.0.0.1:1", "--db", database).exit_code
    assert [database] == list(database.parent.iterdir())
    assert database.read_bytes().startswith(content)


def test_a_database_that_cannot_be_made_is_told_before_anything_is_read(simulated: SimulatedService, tmp_path: Path):
    """Reading may take minutes."""
    with simulated.serving() as url:
        result = invoke(url, "--db", tmp_path / "missing" / "new.db")
    assert (1, []) == (result.exit_code, simulated.paths)
    assert f"create the directory {tmp_path / 'missing'} first" in result.output


def test_the_same_features_and_nothing_else_are_nothing_to_write(database: Path):
    """A service may have been started on the database with them already."""
    with opened(str(database)) as storage:
        context_features.add_feature(storage, "user", NOBODY)
    with SimulatedService("user").serving() as url:
        result = invoke(url, "--db", database)
    assert (0, True) == (result.exit_code, "which stays at revision 1\n" in result.stdout)


def test_headers_are_sent(simulated: SimulatedService, database: Path):
    """Any number of them."""
    simulated.headers = {"Authorization": "Bearer a:b", "X-Team": "web"}
    with simulated.serving() as url:
        refused = invoke(url, "--db", database)
        taken = invoke(url, "--db", database, "--header", "Authorization: Bearer a:b", "--header", "X-Team:web")
    assert (1, 0) == (refused.exit_code, taken.exit_code)
    assert "answered 401" in refused.output


def test_credentials_need_not_stand_in_the_command_line(simulated: SimulatedService, tmp_path: Path):
    """They are read from a file, or from the environment."""
    simulated.headers = {"Authorization": "Bearer a:b"}
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer a:b\n", encoding="ascii")
    with simulated.serving() as url:
        by_file = invoke(url, "--db", tmp_path / "a.db", "--header", f"@{file}")
        by_variable = invoke(url, "--db", tmp_path / "b.db", HEKSHER_IMPORT_HEADERS="Authorization: Bearer a:b")
    assert (0, 0) == (by_file.exit_code, by_variable.exit_code)


def test_a_header_that_cannot_be_sent_is_an_error():
    """Of use; the message does not have it, as it may be a secret."""
    for result in (invoke("http://x", "--header", "secret"), invoke("http://x", HEKSHER_IMPORT_HEADERS="secret")):
        assert 2 == result.exit_code
        assert "name: value" in result.output
        assert "secret" not in result.output


def test_an_error_is_one_line(database: Path):
    """Of a service that is away, and of a database in memory, which would be gone at once."""
    for arguments in (["http://127.0.0.1:1", "--db", database], ["http://127.0.0.1:1", "--db", "memory:"], ["x"]):
        result = invoke(*arguments)
        assert (1, 1) == (result.exit_code, len(result.output.splitlines()))
        assert result.output.startswith("Error: ")


def test_a_database_of_an_existing_service_is_told_how_to_be_moved(tmp_path: Path):
    """Its tables are another program's; the message names the command that takes what it has."""
    place = SqlPlace(f"sqlite:///{tmp_path / 'old.db'}")
    place.run_sql("CREATE TABLE configurable (setting TEXT)")
    result = CliRunner().invoke(command, ["migrate", "--db", str(tmp_path / "old.db")])
    assert 1 == result.exit_code
    assert "'heksher import-from URL'" in result.output


def test_an_import_that_is_killed_leaves_nothing(simulated: SimulatedService, database: Path):
    """It is one transaction, in which it is killed here."""
    fill(simulated, settings=3000, rules_each=5)
    with simulated.serving() as url:
        command_line = [sys.executable, "-m", "heksher", "import-from", url, "--db", str(database)]
        process = subprocess.Popen(command_line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        with process:
            for line in process.stderr:
                if line.startswith("writing"):
                    break
            wal = database.with_name("new.db-wal")
            # Rows that do not fit into the cache are written to this file, before they count.
            assert wait_until(lambda: wal.exists() and wal.stat().st_size > 500_000, DEADLINE_S)
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE_S)
    assert -signal.SIGKILL == process.returncode
    with opened(str(database)) as storage:
        everything = storage.read(lambda reader: (reader.revision(), reader.settings(), reader.context_features()))
    assert (0, [], ()) == everything
