"""A reader that asks replicas in turn, and demands the newest revision that it has seen."""

import itertools
import threading
from collections.abc import Container, Sequence
from http import HTTPStatus
from itertools import pairwise
from types import TracebackType
from typing import Final, Self

import httpx2

from benchmarks.failovers.watcher import SETTING

_PAUSE_S: Final = 0.005
_TIMEOUT_S: Final = 60.0


class Reader:
    """Reads on a thread. A context manager, which ends it.

    Args:
        urls: of the replicas.

    Attributes:
        values: what it was answered so far, without the refusals of replicas that know that they lack the database.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.values: list[int] = []
        self._urls = urls
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_ending.set()
        self._thread.join()

    def count_broken(self, lost: Container[int]) -> int:
        """Return how often a value was followed by an older one, although it was demanded, and was not lost."""
        return sum(later < earlier and earlier not in lost for earlier, later in pairwise(self.values))

    def _read(self) -> None:
        demand = "0"
        with httpx2.Client(timeout=_TIMEOUT_S) as http:
            for url in itertools.cycle(self._urls):
                if self._is_ending.wait(_PAUSE_S):
                    return
                path = f"{url}/api/v1/query?settings={SETTING}"
                answer = http.get(path, headers={"Heksher-Min-Revision": demand})
                if answer.status_code == HTTPStatus.OK:
                    demand = answer.headers.get("heksher-revision-id", answer.headers["heksher-revision"])
                    self.values.append(int(answer.json()["settings"][SETTING]["rules"][0]["value"]))
