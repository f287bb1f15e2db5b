"""The commands over HTTP as people use them: on a real service, at a terminal and in a pipe."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.commands import Ran, run_at_terminal
from tests.support.incident import have_incident
from tests.support.processes import DEADLINE_S, ROOT
from tests.support.service import RunningService, ServiceProcess
from tests.support.shell_sessions import hide_times, read_sessions, run_command

DECLARATION = {
    "name": "cache_ttl",
    "configurable_features": ["environment", "user"],
    "type": "int",
    "default_value": 60,
}
CONTEXT = ("environment=production", "user=ada")
NARROW = 60
WIDE = 160
CHANGE = "rule 1 of cache_ttl  environment=production user=ada  added: 10  incident 4711"


INCIDENT = ROOT / "docs" / "how-to" / "handle-an-incident.md"


class Shell:
    """Runs commands that ask a service.

    Args:
        url: the service.
        token: who asks.
        other_token: of another admin; empty for none.
    """

    def __init__(self, url: str, token: str, other_token: str = "") -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEKSHER_")}
        self.environment = {**inherited, "HEKSHER_URL": url, "HEKSHER_TOKEN": token}
        self.as_other = {"HEKSHER_TOKEN": other_token}

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Ran:
        result = subprocess.run(
            self._name(arguments),
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        return Ran(result.returncode, result.stdout, result.stderr)

    def show(self, columns: int, *arguments: str, **environment: str) -> Ran:
        """Run a command at a terminal that is so wide."""
        return run_at_terminal(self._name(arguments), {**self.environment, **environment}, columns)

    def _name(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "heksher", *arguments]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A service that asks for tokens, a setting with a rule, and commands with the token of "ada", an admin."""
    database = tmp_path_factory.mktemp("command-line") / "heksher.db"
    token, other_token = (create_token(database, name, "admin") for name in ("ada", "bob"))
    with ServiceProcess(database, "--access", "--context-features", "environment,user") as service:
        headers = {"Authorization": f"Bearer {token}"}
        httpx2.post(f"{service.url}/api/v1/settings/declare", json=DECLARATION, headers=headers).raise_for_status()
        shell = Shell(service.url, token, other_token)
        made = shell.run("set", "cache_ttl", "10", *CONTEXT, "--reason", "incident 4711")
        assert Ran(0, f"cache_ttl is 10 where {' '.join(CONTEXT)}: a new rule (revision 5)\n") == made
        yield shell


def create_token(database: Path, name: str, grant: str) -> str:
    command = ["access", "token", "create", name, "--grant", grant, "--db", str(database)]
    result = subprocess.run([sys.executable, "-m", "heksher", *command], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_a_pipe_gets_plain_lines(shell: Shell):
    """However narrow the terminal beside it is."""
    ran = shell.run("changes", "--rule", "1", COLUMNS=str(NARROW))
    assert (0, "") == (ran.status, ran.stderr)
    heading, row = ran.stdout.splitlines()
    assert heading.startswith("REVISION  WHEN (UTC)")
    assert row.startswith("5 ")
    assert row.endswith(f"  ada  {CHANGE}")


def test_a_wide_terminal_gets_the_same_lines(shell: Shell):
    """With a heading that stands out."""
    ran = shell.show(WIDE, "changes", "--rule", "1")
    assert 0 == ran.status
    heading, row = ran.stdout.splitlines()
    assert "\x1b[1mREVISION" in heading
    assert row.endswith(f"  ada  {CHANGE}")


def test_a_narrow_terminal_gets_lines_that_fit(shell: Shell):
    """Without a word that is left out."""
    ran = shell.show(NARROW, "why", "cache_ttl", NO_COLOR="1")
    table = ran.stdout.splitlines()[3:]
    assert 0 == ran.status
    assert all(len(line) <= NARROW for line in table[1:])
    assert "environment=production" in "".join("".join(table).split())


def test_values_can_be_read_by_scripts(shell: Shell):
    """Alone on the standard output."""
    assert Ran(0, "10\n") == shell.run("get", "cache_ttl", *CONTEXT)
    answer = json.loads(shell.run("get", "cache_ttl", *CONTEXT, "--json").stdout)
    assert ("rule", 1) == (
        answer["settings"]["cache_ttl"]["source"],
        answer["settings"]["cache_ttl"]["rule"]["rule_id"],
    )


def test_a_reader_that_has_seen_enough_is_no_error(shell: Shell):
    """As in a pipe to head."""
    pipe = f"{sys.executable} -m heksher changes | head -n 1"
    shown = subprocess.run(
        ["sh", "-c", pipe], env=shell.environment, capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert (True, "") == (shown.stdout.startswith("REVISION"), shown.stderr)


def test_the_exit_status_says_what_came_of_it(shell: Shell):
    """0 to 6: scripts rely on it."""
    stranger = Shell(shell.environment["HEKSHER_URL"], "hks_" + "a" * 43)
    nowhere = Shell("http://127.0.0.1:9", "")
    assert 0 == shell.run("get", "cache_ttl").status
    assert 1 == shell.run("get", "nothing").status
    assert 2 == shell.run("get").status
    assert 3 == shell.run("diff", "4", "5").status
    operation = {"method": "PUT", "path": "/api/v1/rules/1/value", "body": {"value": 1}, "if_match": '"1-000000000000"'}
    assert 4 == shell.run("bulk", "-", stdin=json.dumps([operation])).status
    assert 5 == stranger.run("get", "cache_ttl").status
    assert 6 == nowhere.run("get", "cache_ttl").status


def test_a_second_person_approves(shell: Shell):
    """Of what somebody proposes; nobody can do both."""
    proposed = shell.run("set", "cache_ttl", "7", "user=eve", "--propose", "--reason", "they pay less")
    assert Ran(0, "proposal 1 waits for a second person\n") == proposed
    assert "they pay less" in shell.run("proposals", "--state", "open").stdout
    assert 5 == shell.run("approve", "1").status
    assert "added: 7" in shell.run("approve", "1", "--dry-run", **shell.as_other).stdout
    approved = shell.run("approve", "1", **shell.as_other)
    assert (0, True) == (approved.status, approved.stdout.startswith("proposal 1 is applied as revision "))
    assert Ran(0, "7\n") == shell.run("get", "cache_ttl", "environment=", "user=eve")
    assert 4 == shell.run("decline", "1", "--reason", "too late", **shell.as_other).status


def test_no_error_shows_the_token(shell: Shell):
    """Neither that of a service nor that of none."""
    secret = "hks_" + "b" * 43
    for url in (shell.environment["HEKSHER_URL"], "http://127.0.0.1:9"):
        ran = Shell(url, secret).run("get", "cache_ttl")
        assert "bbb" not in ran.stdout + ran.stderr
        assert 1 == ran.stderr.count("\n")


def test_the_page_about_incidents_shows_what_commands_write():
    """Each of them, one after the other; what asks for the same by HTTP is answered, too."""
    shown = [command for command in read_sessions(INCIDENT) if command.text.startswith(("heksher ", "curl "))]
    with RunningService() as service:
        have_incident(service)
        for command in shown:
            assert (command.text, hide_times(command.lines)) == (command.text, run_command(command.text, service.url))
    assert len(shown) > 15
