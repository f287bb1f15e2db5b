"""Databases that can be read and not be written to: how each becomes so, and how it is mended.

Each state is played with a service in a process of its own: what it says before, meanwhile and afterwards.
"""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.postgres import Role, end_sessions, make_postgres_schema, make_role
from tests.support.service import ServiceProcess

_ROOM_BYTES: Final = 8 * 1024 * 1024
# Root may write whatever a file's mode says, unless it gives that up.
_WITHOUT_PRIVILEGES: Final = (
    "setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search",
)  # fmt: skip


@dataclass
class Scene:
    """A database, and the service on it.

    Attributes:
        database: as the command takes it.
        prefix: what the command is started with.
        file: the SQLite file as this process sees it while the service runs; ``None`` on PostgreSQL.
        role: the service's on PostgreSQL; ``None`` on SQLite.
        service: a service that is not running yet.
    """

    database: str
    prefix: Sequence[str] = ()
    file: Path | None = None
    role: Role | None = None

    def __post_init__(self) -> None:
        self.service = ServiceProcess(self.database, "--context-features", "user", prefix=self.prefix)


@dataclass(frozen=True)
class SickState:
    """A way in which a database cannot be written to.

    Attributes:
        name: for people.
        make: yields a database that is well.
        fail: makes it sick.
        mend: makes it well again; where the service has to be restarted, after it was stopped.
        writes: what the service says about writes, in ``/healthz/ready``.
        refusal: the status of the answers to writes.
        health: the status of ``/api/health``.
        database: whether the database is up or down, in ``/healthz/ready``.
        is_found: whether the service finds it without a write.
        is_lasting: whether the service has to be restarted after it was mended.
        needs_mount: whether it can only be played by who may mount a file system.
    """

    name: str
    make: Callable[[], AbstractContextManager[Scene]]
    fail: Callable[[Scene], object]
    mend: Callable[[Scene], object]
    writes: str
    refusal: int = 503
    health: int = 200
    database: str = "up"
    is_found: bool = True
    is_lasting: bool = False
    needs_mount: bool = False


_EMPTY_LOG: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT * FROM sqlite_master").fetchone()
(is_busy, *_), = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
sys.exit(is_busy)
"""


@contextmanager
def _in_file() -> Iterator[Scene]:
    prefix = _WITHOUT_PRIVILEGES if os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory(prefix="heksher-sick-") as directory:
        file = Path(directory) / "heksher.db"
        yield Scene(str(file), prefix, file=file)


@contextmanager
def _on_small_disk() -> Iterator[Scene]:
    """Give the service a file system of its own, which other processes reach through it."""
    with tempfile.TemporaryDirectory(prefix="heksher-sick-") as directory:
        mount = f'mount -t tmpfs -o size={_ROOM_BYTES} none {directory} && exec "$@"'
        yield Scene(f"{directory}/heksher.db", (*_find_unshare(), "sh", "-c", mount, "sh"))


def _find_unshare() -> tuple[str, ...]:
    return ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")


@cache
def can_mount() -> bool:
    """Return whether this process may mount a file system for its children, which many containers refuse."""
    command = (*_find_unshare(), "mount", "-t", "tmpfs", "none", "/mnt")
    return shutil.which("unshare") is not None and subprocess.run(command, check=False).returncode == 0


def _see(scene: Scene) -> Path:
    """Return the directory of the service's database, as the service sees it."""
    return Path(f"/proc/{scene.service.process.pid}/root{Path(scene.database).parent}")


@contextmanager
def _on_postgres() -> Iterator[Scene]:
    with make_postgres_schema() as url, make_role(url) as role:
        yield Scene(role.url, role=role)


def _move_away(scene: Scene) -> None:
    scene.file.rename(scene.file.with_suffix(".away"))


def _move_back(scene: Scene) -> None:
    scene.file.with_suffix(".away").rename(scene.file)


def _back_up(scene: Scene, ending: str) -> Path:
    backup = scene.file.with_suffix(ending)
    with closing(sqlite3.connect(scene.file)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    return backup


def _replace(scene: Scene) -> None:
    copy = _back_up(scene, ".copy")
    _move_away(scene)
    copy.rename(scene.file)
    for name in ("-wal", "-shm"):
        scene.file.with_name(scene.file.name + name).unlink()


def _find_log(scene: Scene) -> Path:
    return scene.file.with_name(f"{scene.file.name}-wal")


def _write_over(scene: Scene) -> None:
    _back_up(scene, ".backup")
    scene.file.write_bytes(b"")


def _put_backup(scene: Scene) -> None:
    for name in ("-wal", "-shm"):
        scene.file.with_name(scene.file.name + name).unlink(missing_ok=True)
    scene.file.with_suffix(".backup").rename(scene.file)


def _fill(scene: Scene) -> None:
    # What is written fits into the log while its file is longer than what is in it.
    inside = ("nsenter", "--target", str(scene.service.process.pid), "--mount")
    own = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
    subprocess.run([*inside, *own, sys.executable, "-c", _EMPTY_LOG, scene.database], check=True)
    with suppress(OSError), (_see(scene) / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(64 * 1024))


def _make_room(scene: Scene) -> None:
    (_see(scene) / "filler").unlink()


def _limit_files(scene: Scene) -> None:
    _, hard = resource.prlimit(scene.service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(scene.service.process.pid, resource.RLIMIT_FSIZE, (1, hard))


def _unlimit_files(scene: Scene) -> None:
    _, hard = resource.prlimit(scene.service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(scene.service.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


def _run(*statements: str, is_ending: bool = False) -> Callable[[Scene], None]:
    """Return what runs statements as the owner of the tables; ``is_ending`` ends the service's sessions, too."""

    def run(scene: Scene) -> None:
        for statement in statements:
            scene.role.run(statement)
        if is_ending:
            end_sessions(scene.role.url)

    return run


STATES: Final = (
    SickState("SQLite: file moved away", _in_file, _move_away, _move_back, "file gone", health=500),
    SickState(
        "SQLite: file replaced", _in_file, _replace, lambda _: None, "file replaced", health=500, is_lasting=True
    ),
    SickState(
        "SQLite: file written over",
        _in_file,
        _write_over,
        _put_backup,
        "file replaced",
        health=500,
        is_lasting=True,
    ),
    SickState(
        "SQLite: log moved away",
        _in_file,
        lambda scene: _find_log(scene).rename(scene.file.with_suffix(".log")),
        lambda scene: scene.file.with_suffix(".log").rename(_find_log(scene)),
        "file gone",
        health=500,
    ),
    SickState(
        "SQLite: log deleted",
        _in_file,
        lambda scene: _find_log(scene).unlink(),
        lambda _: None,
        "file gone",
        health=500,
        is_lasting=True,
    ),
    SickState(
        "SQLite: file read-only",
        _in_file,
        lambda scene: scene.file.chmod(0o444),
        lambda scene: scene.file.chmod(0o644),
        "read-only",
    ),
    SickState("SQLite: disk full", _on_small_disk, _fill, _make_room, "disk full", refusal=507, needs_mount=True),
    SickState("SQLite: quota", _in_file, _limit_files, _unlimit_files, "disk error", is_found=False),
    SickState(
        "PostgreSQL: rights revoked",
        _on_postgres,
        _run("REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} FROM {role}"),
        _run("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
        "read-only",
    ),
    SickState(
        "PostgreSQL: transactions read-only, as on a standby",
        _on_postgres,
        _run("ALTER ROLE {role} SET default_transaction_read_only = on", is_ending=True),
        _run("ALTER ROLE {role} RESET default_transaction_read_only"),
        "read-only",
    ),
    SickState(
        "PostgreSQL: schema gone",
        _on_postgres,
        _run("ALTER SCHEMA {schema} RENAME TO {schema}_"),
        _run("ALTER SCHEMA {schema}_ RENAME TO {schema}"),
        "schema missing",
        health=500,
        database="down",
    ),
    SickState(
        "PostgreSQL: wrong search_path",
        _on_postgres,
        _run("ALTER ROLE {role} SET search_path = elsewhere", is_ending=True),
        _run("ALTER ROLE {role} SET search_path = {schema}"),
        "schema missing",
        health=500,
        database="down",
    ),
    SickState(
        "PostgreSQL: no room",
        _on_postgres,
        _run(
            "CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION"
            " 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()",
        ),
        _run("DROP TRIGGER refuse ON log_entry"),
        "disk full",
        refusal=507,
        is_found=False,
    ),
)
