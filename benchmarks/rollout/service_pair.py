"""Two replicas that are restarted one by one, and the command line on their database."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import urlsplit

from benchmarks.environments import ROOT
from benchmarks.rollout.fleet_program import FEATURE
from tests.support.service import ServiceProcess

# What docs/how-to/switch-access-on.md says of the configuration, before and afterwards.
OPEN: Final = {"HEKSHER_INSECURE": "true"}
GUARDED: Final = {"HEKSHER_ACCESS": "true"}

_REFUSED: Final = re.compile(r'^heksher_requests_total\{.*status="40[13]".*\} (\S+)$', re.MULTILINE)


class ServicePair:
    """The replicas, at first with access off. A context manager, which ends them.

    Args:
        database: the URL of a PostgreSQL database.

    Attributes:
        lines: all that replicas have printed that have ended.
    """

    def __init__(self, database: str) -> None:
        # Not in arguments, where everybody can see a password that it has.
        self._environment = {"HEKSHER_DB_CONNECTION_STRING": database, "HEKSHER_ACCESS_LOG": "true"}
        self._services = [self._make(OPEN), self._make(OPEN)]
        self.lines: list[str] = []

    @property
    def urls(self) -> list[str]:
        """Those of the replicas."""
        return [service.url for service in self._services]

    def restart(self, number: int, configuration: Mapping[str, str]) -> None:
        """Restart a replica on its port with another configuration."""
        former = self._services[number]
        self._end(former)
        self._services[number] = self._make(configuration, str(urlsplit(former.url).port))
        self._services[number].start()

    def count_refused(self, number: int) -> int:
        """Return how many requests a replica has refused for their credentials since its start."""
        with urllib.request.urlopen(f"{self.urls[number]}/metrics", timeout=10) as answer:  # noqa: S310 - ours
            return sum(int(float(count)) for count in _REFUSED.findall(answer.read().decode()))

    def run(self, *arguments: str, database: str | None = None) -> tuple[str, str]:
        """Run ``heksher`` with arguments on the replicas' database, or another one; return what it prints to either."""
        chosen = {} if database is None else {"HEKSHER_DB_CONNECTION_STRING": database}
        done = subprocess.run(
            [sys.executable, "-m", "heksher", *arguments],
            cwd=ROOT,
            env={**os.environ, **self._environment, **chosen},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr

    def end(self) -> None:
        """End the replicas."""
        services, self._services = self._services, []
        for service in services:
            self._end(service)

    def __enter__(self) -> Self:
        for service in self._services:
            service.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _make(self, configuration: Mapping[str, str], port: str = "0") -> ServiceProcess:
        environment = {**self._environment, **configuration}
        return ServiceProcess(None, f"--context-features={FEATURE}", "--port", port, environment=environment)

    def _end(self, service: ServiceProcess) -> None:
        service.stop()
        self.lines += service.lines
