"""``heksher serve``: its options and how it fails. What it serves is in the integration tests."""

import os
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from heksher.cli.root import heksher as command
from heksher.server import run
from heksher.server.config import Config


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """The calls of the function that runs the service, which does nothing here."""
    calls: list[Config] = []
    monkeypatch.setattr(run, "run_service", lambda config, say: calls.append(config))
    return calls


def invoke(*arguments: str, **environment: str) -> Result:
    cleared = dict.fromkeys(name for name in os.environ if name.startswith(("HEKSHER_", "DOC_ONLY")))
    return CliRunner(env=cleared | environment).invoke(command, ["serve", *arguments])


def test_everything_has_a_default(calls: list[Config], tmp_path: Path):
    """The loopback address, port 8000, a file in the user's data directory."""
    assert 0 == invoke(XDG_DATA_HOME=str(tmp_path)).exit_code
    database = str(tmp_path / "heksher" / "heksher.db")
    assert [Config(database, is_default_database=True, host="127.0.0.1", port=8000)] == calls


def test_options_are_passed_on(calls: list[Config]):
    """Each to where it belongs."""
    assert 0 == invoke("--host", "::1", "--port", "0", "--db", "a.db", "--context-features", "a,b").exit_code
    assert [Config("a.db", ("a", "b"), host="::1", port=0)] == calls


def test_options_of_running_are_passed_on(calls: list[Config]):
    """Workers and logs, over what the variables say."""
    options = ("--db", "a.db", "--workers", "3", "--log-format", "json", "--access-log")
    assert 0 == invoke(*options).exit_code
    assert 0 == invoke("--db", "a.db", "--no-access-log", HEKSHER_ACCESS_LOG="true").exit_code
    assert [Config("a.db", workers=3, log_format="json", has_access_log=True), Config("a.db")] == calls


def test_variables_are_read(calls: list[Config]):
    """Those of the existing service."""
    invoke(HEKSHER_DB_CONNECTION_STRING="a.db", HEKSHER_STARTUP_CONTEXT_FEATURES="a;b", DOC_ONLY="true")
    assert [Config("a.db", ("a", "b"), doc_only=True)] == calls


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_is_a_port(calls: list[Config], port: str):
    """Anything else is an error of use."""
    assert (2, []) == (invoke("--port", port).exit_code, calls)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--context-features", "a,a"], "--context-features: the context feature 'a' stands twice"),
        (["--host", "", "--port", "0", "--db", "/nowhere/heksher.db"], "--host: '' is empty"),
        (["--db", "", "--host", "no such host"], "--db: '' is empty"),
        (["--host", "no such host", "--db", "memory:"], "cannot listen on no such host port 8000"),
        (["--port", "0", "--db", "/nowhere/heksher.db"], "/nowhere"),
        (["--port", "0", "--db", "mysql://x"], "'mysql'"),
        (["--port", "0", "--db", "memory:", "--workers", "2"], "2 workers cannot share"),
    ],
)
def test_a_start_that_fails_is_told_in_one_line(arguments: list[str], message: str):
    """With exit code 1 and without a traceback."""
    result = invoke(*arguments)
    assert (1, 1) == (result.exit_code, len(result.output.splitlines()))
    assert result.output.startswith("Error: ")
    assert message in result.output


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_start_ends_with_success(
    monkeypatch: pytest.MonkeyPatch, signal_number: signal.Signals, tmp_path: Path
):
    """As one after the start does."""
    monkeypatch.setattr(run, "run_service", lambda *_: signal.raise_signal(signal_number))
    assert 0 == invoke(XDG_DATA_HOME=str(tmp_path)).exit_code
