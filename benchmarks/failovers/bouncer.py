"""PgBouncer in transaction mode between the service and whichever PostgreSQL server takes writes."""

import shutil
import signal
import subprocess
from types import TracebackType
from typing import Final, Self

import psycopg

from tests.support.guardian import make_directory
from tests.support.postgres import PostgresServer, add_parameters, become_postgres_user
from tests.support.waiting import wait_until

_PORT: Final = 6432
_START_S: Final = 30.0
_PROGRAMS: Final = ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer")


def find_program() -> str | None:
    """Return where PgBouncer is; ``None`` if it is not installed."""
    return shutil.which("pgbouncer") or next(filter(shutil.which, _PROGRAMS), None)


class Bouncer:
    """PgBouncer in front of a server. A context manager, which stops it.

    Args:
        program: where it is installed.
        server: the server that takes writes at first.

    Attributes:
        url: of the database behind it.
    """

    def __init__(self, program: str, server: PostgresServer) -> None:
        self._directory = make_directory("pgbouncer")
        self._command = [*become_postgres_user(self._directory), program, str(self._directory / "pgbouncer.ini")]
        address = add_parameters("postgresql:///heksher", host=str(self._directory), port=str(_PORT), user="heksher")
        self.url = add_parameters(address, heksher_listen="off")
        self._address = address
        self._write(server)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=self._directory, stderr=subprocess.DEVNULL)
        if not wait_until(self._answers, _START_S):
            raise AssertionError(f"PgBouncer did not start: {(self._directory / 'log').read_text()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def lead_to(self, server: PostgresServer) -> None:
        """Lead to another server from now on, as whoever manages a failover has it do."""
        self._write(server)
        self._process.send_signal(signal.SIGHUP)

    def _write(self, server: PostgresServer) -> None:
        lines = [
            "[databases]",
            f"heksher = host={server.directory} dbname=postgres user=heksher",
            "[pgbouncer]",
            "pool_mode = transaction",
            "auth_type = any",
            f"unix_socket_dir = {self._directory}",
            f"listen_port = {_PORT}",
            f"logfile = {self._directory / 'log'}",
            # A server that is gone is looked for at once.
            "server_login_retry = 0.1",
        ]
        (self._directory / "pgbouncer.ini").write_text("\n".join(lines) + "\n")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._address).close()
        except psycopg.OperationalError:
            return False
        return True
