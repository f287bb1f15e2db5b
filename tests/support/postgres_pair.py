"""A PostgreSQL server with a standby, which lacks what the server has not sent to it when it takes over."""

from types import TracebackType
from typing import Final, Self

import psycopg

from tests.support.postgres import PostgresServer, add_parameters
from tests.support.waiting import wait_until

DEADLINE_S: Final = 30.0
_STANDBY: Final = "heksher_standby"
# The primary acknowledges a transaction when the standby has it on its disk.
_SYNCHRONOUS: Final = (f"synchronous_standby_names={_STANDBY}", "synchronous_commit=on")
_SENDERS: Final = "SELECT pid FROM pg_stat_replication WHERE state = 'streaming'"


class PostgresPair:
    """A primary and its standby. A context manager, which stops both in the end.

    Args:
        is_synchronous: whether the primary acknowledges only what the standby has.

    Attributes:
        primary: the server that takes writes, or took them until it was killed.
        standby: the one that takes over.
        url: of the database on whichever takes writes.
    """

    def __init__(self, *, is_synchronous: bool = False) -> None:
        self._settings = _SYNCHRONOUS if is_synchronous else ()
        self.primary = PostgresServer()
        self.standby = PostgresServer(is_bare=True)
        self.url = add_parameters(
            "postgresql:///postgres",
            host=f"{self.primary.directory},{self.standby.directory}",
            user="heksher",
            target_session_attrs="read-write",
        )

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.standby.remove()
        self.primary.remove()

    def wait_for_standby(self) -> None:
        """Wait until the standby has all that was written so far."""
        [end] = _ask(self.primary, "SELECT pg_current_wal_lsn()::text")
        statement = f"SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn"
        assert wait_until(lambda: _ask(self.standby, statement) == [True], DEADLINE_S), "the standby is behind"

    def hold_back(self) -> None:
        """Have the standby get nothing any more, without the primary noticing."""
        for process_id in _ask(self.primary, _SENDERS):
            self.primary.freeze_process(int(str(process_id)))

    def fail(self) -> None:
        """Kill the primary."""
        self.primary.kill()

    def promote(self) -> None:
        """Have the standby take over."""
        assert _ask(self.standby, "SELECT pg_promote(true)") == [True], "the standby does not take over"

    def swap(self) -> None:
        """Have the server that was killed come back as the standby of the other, without what that has not."""
        self.primary, self.standby = self.standby, self.primary
        self.primary.shut_down()
        self._start()

    def _start(self) -> None:
        # A copy of the data of a server that does not run is a backup that a standby can begin with.
        self.standby.become_copy_of(self.primary, "standby.signal")
        self.primary.start(*self._settings)
        conninfo = f"host={self.primary.directory} user=heksher application_name={_STANDBY}"
        self.standby.start(f"primary_conninfo={conninfo}")
        assert wait_until(lambda: _ask(self.primary, _SENDERS), DEADLINE_S), "the standby does not follow"


def _ask(server: PostgresServer, statement: str) -> list[object]:
    """Return the first value of each row that a statement gives."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(statement.encode())]
