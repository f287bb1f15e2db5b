"""Several replicas of the service: real processes on one database."""

from concurrent.futures import ThreadPoolExecutor
from typing import Self
from urllib.parse import urlsplit

import httpx2

from tests.support.service import START_TIMEOUT_S, HttpOperations, ServiceProcess


class Replicas(HttpOperations):
    """A context manager, which starts the processes side by side, and stops them in the end.

    Args:
        databases: the database's URL for each replica: they may differ in parameters.
        options: further arguments of the command.

    Attributes:
        services: the processes.
        urls: theirs.
        http: a client of the first.
    """

    def __init__(self, databases: list[str], *options: str) -> None:
        self._databases = databases
        self._options = options
        self.services = [ServiceProcess(database, *options) for database in databases]

    @property
    def urls(self) -> list[str]:
        return [service.url for service in self.services]

    def bring_back(self, number: int) -> None:
        """Start a replica that has ended again, on its port."""
        port = urlsplit(self.services[number].url).port
        service = ServiceProcess(self._databases[number], *self._options, "--port", str(port))
        self.services[number] = service.start()

    def __enter__(self) -> Self:
        with ThreadPoolExecutor(len(self.services)) as pool:
            for starting in [pool.submit(service.start) for service in self.services]:
                starting.result()
        self.http = httpx2.Client(base_url=self.urls[0], timeout=START_TIMEOUT_S)
        return self

    def __exit__(self, *_) -> None:
        self.http.close()
        with ThreadPoolExecutor(len(self.services)) as pool:
            list(pool.map(lambda service: service.__exit__(), self.services))
