"""Tests of the way from a configured text to a storage."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from heksher.server.storage.location import storage_for
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError


def test_memory() -> None:
    """``memory:`` is the storage that ends with the process."""
    assert isinstance(storage_for("memory:"), MemoryStorage)


@pytest.mark.parametrize("name", ["heksher.db", "with space?and#%20é.db"])
def test_file(tmp_path: Path, name: str) -> None:
    """A path, or a URL that has it (quoted), is an SQLite file, which is made when it is opened."""
    path = tmp_path / name
    for database in (str(path), f"sqlite:///{quote(str(path))}", f"sqlite+pysqlite:///{quote(str(path))}"):
        storage = storage_for(database)
        storage.open()
        storage.close()
        assert path.exists()
        path.unlink()


def test_relative_path_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the file that it meant when the storage was made."""
    monkeypatch.chdir(tmp_path)
    storage = storage_for("heksher.db")
    monkeypatch.chdir("/")
    storage.open()
    storage.close()
    assert (tmp_path / "heksher.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:pass@host:5432/db",
        "postgresql+asyncpg://user:pass@host:5432/db",
        "postgres://user:pass@host/db?sslmode=require",
        "postgresql://",
    ],
)
def test_postgres(url: str) -> None:
    """A URL of PostgreSQL is one with or without a driver; nothing is connected yet."""
    assert isinstance(storage_for(url), SqlStorage)


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("mysql://user:pa55@host/db", "'mysql' are not supported: expected a file path"),
        ("postgresql://user:pa55@host:port/db", "cannot be read: expected a file path"),
        ("://pa55", "cannot be read: expected a file path"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("", "needs a file"),
        ("sqlite:///x.db?timeout=soon", "'soon' in the database URL is no number of seconds"),
        ("sqlite:///x.db?timeout=nan", "'nan' in the database URL is no number of seconds"),
        ("sqlite:///x.db?timeout=-1", "'-1' in the database URL is no number of seconds"),
        ("sqlite:///x.db?mode=ro", "unknown parameter 'mode'"),
    ],
)
def test_refuses_others(database: str, message: str) -> None:
    """Anything else is refused with the forms that there are, and without the password."""
    with pytest.raises(StorageError, match=message) as caught:
        storage_for(database)
    assert "pa55" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "database",
    [
        "postgresql:user:pa55@host/db",
        "POSTGRES:user:pa55@host/db",
        "postgresql//user:pa55@host/db",
        "host=host user=user password=pa55 dbname=db",
        "host=host Password = 'pa55'",
        "user:pa55@host/db",
        "//user:pa55@host/db",
        "host=db dbname=heksher user=heksher",
        "sqlite://pa55/x.db",
        "sqlite://user:pa55@host/x.db",
        "sqlite:new.db",
        "file:new.db?mode=ro",
        "MEMORY:",
        "memory",
    ],
)
def test_a_server_is_not_taken_for_a_file(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What names a server in another form than a URL is refused, not shown, and no file is made of that name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"expected a file path|has three slashes") as caught:
        storage_for(database)
    assert "pa55" not in str(caught.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "database",
    [
        "postgresql://user:1@pa55@host/db",
        "postgresql://us/er:pa55@host/db",
    ],
)
def test_a_password_is_not_taken_for_an_address(database: str) -> None:
    """A sign that ends the password early is refused, and the message says how to write it."""
    with pytest.raises(StorageError, match="as %40 %2F %3F %23 and %25") as caught:
        storage_for(database)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("postgresql://user:pw@host/db#pa55", "has a # after its host: write %23"),
        ("postgresql://user:pw@host#pa55:1/db", "has a # after its host"),
        ("postgresql://user:pw@host/db#pa55?options=a@b", "has a # after its host"),
        ("postgresql://host/db?password=a#pa55", "has a # after its host"),
        ("sqlite:///x.db#pa55", "has a # after its host"),
        ("postgresql://user:pa55%00@host/db", "has a zero byte"),
        ("postgresql://host/db?password=pa55%00", "has a zero byte"),
        ("sqlite:///pa55%00.db", "has a zero byte"),
        ("postgresql://user:pa55\udcff@host/db", "cannot be read"),
    ],
)
def test_a_url_that_would_be_cut_is_refused(database: str, message: str) -> None:
    """What follows a # would be shown, and a driver takes nothing of what follows a zero byte."""
    with pytest.raises(StorageError, match=message) as caught:
        storage_for(database)
    assert "pa55" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("database", ["postgresql://user:pa#55@host/db", "postgresql://host/db%23", "sqlite:///x%23"])
def test_a_number_sign_may_stand_in_a_password_or_be_quoted(database: str) -> None:
    """As libraries read URLs that have long been in use."""
    assert isinstance(storage_for(database), SqlStorage)


def test_memory_needs_no_database_library() -> None:
    """Without a database, SQLAlchemy is not loaded."""
    program = (
        "import sys; from heksher.server.storage.location import storage_for; storage_for('memory:');"
        "sys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
