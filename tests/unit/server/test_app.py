"""The wiring."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from heksher.server.app import Application, open_storage
from heksher.server.config import Config
from heksher.server.errors import StartupError
from heksher.server.storage.doc_only import DocOnlyStorage
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageError, StorageUnavailableError
from tests.support.waiting import wait_until


def test_an_application_opens_and_closes_its_own_storage(tmp_path: Path):
    """With the configured context features, which are kept in the file for the next one."""
    database = str(tmp_path / "heksher.db")
    with TestClient(Application(Config(database, ("a", "b")))) as client:
        storage = client.app.services.storage
        assert {"context_features": ["a", "b"]} == client.get("/api/v1/context_features").json()
    with pytest.raises(StorageUnavailableError):
        storage.check()
    with TestClient(Application(Config(database))) as client:
        assert {"context_features": ["a", "b"]} == client.get("/api/v1/context_features").json()


def test_a_given_storage_stays_its_owners():
    """The application neither opens nor closes it."""
    storage = MemoryStorage()
    with TestClient(Application(Config("unused"), storage)) as client:
        assert 500 == client.get("/api/health").status_code
        storage.open()
        assert wait_until(lambda: 200 == client.get("/api/health").status_code)
    storage.check()


def test_the_storage_is_closed_whatever_happens(tmp_path: Path):
    """When its context features contradict, and when its user fails."""
    config = Config(str(tmp_path / "heksher.db"), ("a", "b"))
    with pytest.raises(KeyError), open_storage(config) as storage:
        raise KeyError
    with pytest.raises(StorageUnavailableError):
        storage.check()
    with pytest.raises(StartupError, match="contradict"), open_storage(Config(config.database, ("b", "a"))):
        pass


def test_a_database_that_cannot_be_opened_is_an_error():
    """With a message that names it."""
    with pytest.raises(StorageError, match="nowhere"), open_storage(Config("/nowhere/heksher.db")):
        pass


def test_documentation_needs_no_database():
    """Not even one that could be opened; the context features are nobody's then."""
    with open_storage(Config("/nowhere/heksher.db", ("a",), doc_only=True)) as storage:
        assert isinstance(storage, DocOnlyStorage)
