"""What a service says and does while its database cannot be written to, and how soon it is well again."""

import time
from dataclasses import dataclass, field
from typing import Final

import httpx2

from tests.hostile.sick_states import Scene, SickState
from tests.support.service import START_TIMEOUT_S
from tests.support.waiting import wait_until

# How long the service may take to notice that no write is possible, and that writes are possible again.
LONGEST_S: Final = 10.0
_READS: Final = ("/api/v1/query", "/api/v1/settings", "/api/v1/rules/search?setting=s&feature_values=user:first")
_GAUGES: Final = ("heksher_database_up", "heksher_writes_possible")


@dataclass
class Look:
    """What a service says at one moment.

    Attributes:
        health, ready: statuses of ``/api/health`` and ``/healthz/ready``.
        database, writes: what the latter says.
        gauges: ``heksher_database_up`` and ``heksher_writes_possible``; ``None`` where there is none.
    """

    health: int
    ready: int
    database: str
    writes: str | None
    gauges: tuple[float | None, ...]


@dataclass
class Played:
    """What has happened.

    Attributes:
        found_s: after how many seconds the service said that no write is possible; ``None`` if it never did.
        sick: what it said then, or at the end of the time.
        writes, reads: statuses of answers meanwhile.
        log: the lines that it has written since it became sick.
        recovered_s: after how many seconds a write was stored; ``None`` if none was.
        well: what it said then.
        is_restarted: whether it was restarted before that.
    """

    found_s: float | None = None
    sick: Look | None = None
    writes: set[int] = field(default_factory=set)
    reads: set[int] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    recovered_s: float | None = None
    well: Look | None = None
    is_restarted: bool = False


class _Client:
    def __init__(self, url: str) -> None:
        self._http = httpx2.Client(base_url=url, timeout=START_TIMEOUT_S)
        self._rules = 0

    def close(self) -> None:
        self._http.close()

    def declare(self) -> int:
        body = {"name": "s", "configurable_features": ["user"], "type": "int", "default_value": 0}
        return self._http.post("/api/v1/settings/declare", json=body).status_code

    def add_rule(self) -> int:
        self._rules += 1
        user = "first" if self._rules == 1 else f"u{time.time_ns()}"
        body = {"setting": "s", "feature_values": {"user": user}, "value": self._rules}
        return self._http.post("/api/v1/rules", json=body).status_code

    def write_in_all_ways(self) -> set[int]:
        metadata = self._http.put("/api/v1/rules/1/metadata/key", json={"value": 1})
        deleted = self._http.delete("/api/v1/rules/1")
        return {self.add_rule(), metadata.status_code, deleted.status_code}

    def read_all(self) -> set[int]:
        return {self._http.get(path).status_code for path in _READS}

    def look(self) -> Look:
        ready = self._http.get("/healthz/ready")
        lines = [line.partition(" ") for line in self._http.get("/metrics").text.splitlines()]
        values = {name: float(value) for name, _, value in lines if name in _GAUGES}
        return Look(
            self._http.get("/api/health").status_code,
            ready.status_code,
            ready.json()["database"],
            ready.json().get("writes"),
            tuple(map(values.get, _GAUGES)),
        )


def play(state: SickState) -> Played:
    """Play a state from its beginning to its end."""
    with state.make() as scene, scene.service as service:
        client = _Client(service.url)
        assert {200, 201} == {client.declare(), client.add_rule()}
        played = Played()
        _be_sick(state, scene, client, played)
        if state.is_lasting:
            client.close()
            service.stop()
            state.mend(scene)
            client = _Client(service.start().url)
            played.is_restarted = True
        _become_well(client, played)
        client.close()
        return played


def _be_sick(state: SickState, scene: Scene, client: _Client, played: Played) -> None:
    lines = len(scene.service.lines)
    failed_s = time.monotonic()
    state.fail(scene)
    if not state.is_found:
        client.add_rule()
    if wait_until(lambda: client.look().gauges[1] == 0, LONGEST_S, 0.1):
        played.found_s = time.monotonic() - failed_s
    played.sick = client.look()
    played.writes = client.write_in_all_ways()
    played.reads = client.read_all()
    if not state.is_lasting:
        state.mend(scene)
    played.log = [line.rstrip() for line in scene.service.lines[lines:]]


def _become_well(client: _Client, played: Played) -> None:
    mended_s = time.monotonic()
    if wait_until(lambda: client.add_rule() == 201, LONGEST_S, 0.1):
        played.recovered_s = time.monotonic() - mended_s
    wait_until(lambda: client.look().gauges == (1, 1), LONGEST_S, 0.1)
    played.well = client.look()
