"""What many processes do through SQLite to one file at once is no damage to it: no write is refused, and none lost."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2

from tests.support.service import START_TIMEOUT_S, ServiceProcess

_LASTS_S: Final = 8.0
_MOVE_LOG = """
import contextlib, sqlite3, sys
with contextlib.closing(sqlite3.connect(sys.argv[1])) as connection:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
"""


class Hands:
    """What is done to a file until the time is over.

    Args:
        file: the database.

    Attributes:
        written: the ids of the rules whose writes were acknowledged.
        faults: the other answers.
    """

    def __init__(self, file: Path) -> None:
        self._file = str(file)
        self._end_s = time.monotonic() + _LASTS_S
        self.written: list[int] = []
        self.faults: list[str] = []

    def write(self, service: ServiceProcess, name: str) -> None:
        """Add rules through a service."""
        with httpx2.Client(base_url=service.url, timeout=START_TIMEOUT_S) as client:
            for number in self._count():
                body = {"setting": "s", "feature_values": {"user": f"{name}{number}"}, "value": number}
                answer = client.post("/api/v1/rules", json=body)
                if answer.status_code == 201:
                    self.written.append(answer.json()["rule_id"])
                else:
                    self.faults.append(answer.text)

    def move_log(self) -> None:
        """Move the log into the file, as other programs may."""
        for _ in self._count():
            subprocess.run([sys.executable, "-c", _MOVE_LOG, self._file], check=True)

    def start_and_end(self) -> None:
        """Start services, and end every third one as ``kill -9`` does."""
        for number in self._count():
            service = ServiceProcess(self._file)
            service.start()
            service.stop(signal.SIGTERM if number % 3 else signal.SIGKILL)

    def _count(self) -> Iterator[int]:
        number = 0
        while time.monotonic() < self._end_s:
            number += 1
            yield number


def test_many_hands(tmp_path: Path):
    """Two services write while others come and go, and while the log is moved under their hands."""
    file = tmp_path / "heksher.db"
    with ExitStack() as stack:
        services = [stack.enter_context(ServiceProcess(str(file), "--context-features", "user")) for _ in range(2)]
        body = {"name": "s", "configurable_features": ["user"], "type": "int", "default_value": 0}
        assert 200 == httpx2.post(f"{services[0].url}/api/v1/settings/declare", json=body).status_code
        hands = Hands(file)
        threads = [
            threading.Thread(target=hands.write, args=(service, f"{name}_")) for name, service in enumerate(services)
        ]
        threads += [threading.Thread(target=work) for work in (hands.move_log, hands.start_and_end)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answer = httpx2.get(f"{services[1].url}/api/v1/query", params={"settings": "s"}, timeout=START_TIMEOUT_S)
        rules = answer.json()["settings"]["s"]["rules"]
        told = [line for service in services for line in service.lines if "no write is possible" in line]
    assert ([], []) == (hands.faults, told)
    assert len(hands.written) > 0
    assert not set(hands.written) - {rule["rule_id"] for rule in rules}
