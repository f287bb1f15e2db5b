"""Moving from one running service to another: what is asked of both by HTTP is answered the same."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from heksher.cli.root import heksher
from heksher.server.storage.sql import SqlStorage
from tests.support.existing_service import SimulatedService, fill
from tests.support.processes import ROOT
from tests.support.service import RunningService
from tests.support.storages import SqlPlace, make_place, opened
from tests.support.waiting import wait_until

QUESTIONS = (
    "/api/v1/context_features",
    "/api/v1/settings?include_additional_data=true",
    "/api/v1/query?include_metadata=true",
)


def ask(service: RunningService) -> list[dict]:
    """Ask a service for everything that it has."""
    return [service.http.get(question).raise_for_status().json() for question in QUESTIONS]


def import_from(service: RunningService, database: Path, *options: str) -> int:
    """Run the command; return its exit status."""
    return CliRunner().invoke(heksher, ["import-from", service.url, "--db", str(database), *options]).exit_code


def change(service: RunningService, method: str, path: str, **body: object) -> None:
    service.http.request(method, f"/api/v1{path}", json=body).raise_for_status()


@pytest.fixture
def old() -> Iterator[RunningService]:
    """A service with settings of several types, one of them renamed, with rules and metadata."""
    with RunningService() as service:
        service.add_features("environment", "user", "theme")
        service.declare(
            "greeting", type="Mapping<Sequence<str>>", default_value={"de": ["Grüße", ""]}, metadata={"a": 1.0}
        )
        service.declare("old_ttl", type="float", default_value=1)
        service.declare("ttl", type="float", default_value=1.5, alias="old_ttl", version="1.10")
        service.declare("mode", type='Enum["b","a",1,true]', default_value=1, configurable_features=["theme"])
        service.add_rule("ttl", {"environment": "dev"}, 2)
        gone = service.add_rule("ttl", {"environment": "gone"}, 2)
        kept = service.add_rule("greeting", {"environment": "dev", "user": "ada"}, {})
        service.add_rule("mode", {"theme": "dark"}, True)
        change(service, "PUT", f"/rules/{kept}/metadata", metadata={"by": "me", "why": None})
        change(service, "DELETE", f"/rules/{gone}")
        yield service


def test_the_new_service_answers_as_the_old_one(old: RunningService, tmp_path: Path):
    """Also after an update, which it takes over while it runs; a rule that it adds has an id of its own."""
    database = tmp_path / "new.db"
    assert 0 == import_from(old, database)
    storage = SqlStorage(str(database))
    with RunningService(storage) as new:
        assert ask(old) == ask(new)
        change(old, "PUT", "/settings/mode/name", name="colour_mode", version="1.1")
        change(old, "PATCH", "/context_features/theme/index", to_before="environment")
        change(old, "DELETE", "/settings/greeting")
        rule_id = old.add_rule("ttl", {"environment": "prod", "user": "bob"}, 7)
        assert 0 == import_from(old, database, "--update")
        assert wait_until(lambda: ask(old) == ask(new))
        assert rule_id + 1 == new.add_rule("ttl", {"environment": "other"}, 1)
        assert 4 == import_from(old, database, "--update")
        assert 0 == import_from(old, database, "--update", "--skip-conflicts")
    storage.close()


def test_clients_get_the_same_of_both(old: RunningService, tmp_path: Path):
    """A query of some settings, with filters, by an old name."""
    database = tmp_path / "new.db"
    import_from(old, database)
    storage = SqlStorage(str(database))
    query = {"settings": "old_ttl,mode", "context_filters": "environment:(dev),theme:*"}
    with RunningService(storage) as new:
        answers = [httpx2.get(f"{service.url}/api/v1/query", params=query) for service in (old, new)]
    storage.close()
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["etag"] == answers[1].headers["etag"]


def kill_while_writing(url: str, database: str) -> int:
    """Run the command, and kill it as soon as it begins to write; return its exit status."""
    command = [sys.executable, "-m", "heksher", "import-from", url, "--db", database]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            if line.startswith("writing"):
                process.kill()
        return process.wait()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_while_it_writes(tmp_path: Path, kind: str):
    """Then nothing is there, and the command can be run again."""
    old = SimulatedService("environment", "user")
    fill(old, 1_000, 5)
    with old.serving() as url, make_place(kind, tmp_path) as place:
        assert isinstance(place, SqlPlace)
        assert -signal.SIGKILL == kill_while_writing(url, place.url)
        with opened(place.url) as storage:
            assert 0 == storage.read(lambda reader: len(reader.settings()))
        assert 0 == CliRunner().invoke(heksher, ["import-from", url, "--db", place.url]).exit_code
        with opened(place.url) as storage:
            assert 1_000 == storage.read(lambda reader: len(reader.settings()))
