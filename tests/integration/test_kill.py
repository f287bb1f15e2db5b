"""``kill -9`` of the service in the middle of a stream of writes: every acknowledged write is there afterwards."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.service import ServiceProcess

# A start takes a second, so several services go through theirs side by side: twenty kills in a full run.
FULL = (4, 5)
QUICK = (2, 2)
MIN_WRITES_BEFORE_KILL = 10


def write_until_it_ends(url: str, prefix: str, acknowledged: dict[str, int], is_enough: threading.Event) -> None:
    """Add rules one after another, and note each one that the service has acknowledged, with its id."""
    with httpx2.Client(base_url=url, timeout=60) as client:
        for number in range(1_000_000):
            user = f"{prefix}_{number}"
            body = {"setting": "s", "feature_values": {"user": user}, "value": number}
            try:
                response = client.post("/api/v1/rules", json=body)
            except httpx2.TransportError:
                return
            assert 201 == response.status_code
            acknowledged[user] = response.json()["rule_id"]
            if number >= MIN_WRITES_BEFORE_KILL:
                is_enough.set()


def check(url: str, acknowledged: dict[str, int], kills: int) -> None:
    """Check that all acknowledged rules are there, and at most one other for each kill: the one that was under way."""
    rules = httpx2.get(f"{url}/api/v1/query", timeout=60).json()["settings"]["s"]["rules"]
    stored = {rule["context_features"][0][1]: rule["rule_id"] for rule in rules}
    assert acknowledged.items() <= stored.items()
    assert len(stored) - len(acknowledged) <= kills
    assert all(rule["value"] == int(rule["context_features"][0][1].partition("_")[2]) for rule in rules)


def kill_repeatedly(database: Path, kills: int) -> int:
    """Start, write and kill; return the number of acknowledged writes that were found again."""
    acknowledged: dict[str, int] = {}
    with ServiceProcess(database, "--context-features", "user") as service:
        body = {"name": "s", "configurable_features": ["user"], "type": "int", "default_value": 0}
        httpx2.post(f"{service.url}/api/v1/settings/declare", json=body).raise_for_status()
        for kill in range(kills):
            is_enough = threading.Event()
            arguments = (service.url, f"k{kill}", acknowledged, is_enough)
            writer = threading.Thread(target=write_until_it_ends, args=arguments)
            writer.start()
            assert is_enough.wait(60)
            service.kill()
            writer.join(60)
            service.start()
            check(service.url, acknowledged, kill + 1)
    return len(acknowledged)


def test_no_acknowledged_write_is_lost(
    tmp_path: Path, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
):
    """Each kill comes while the next write is in flight; after each restart all acknowledged writes are there."""
    lanes, kills = FULL if pytestconfig.getoption("--full") else QUICK
    databases = [tmp_path / f"heksher{lane}.db" for lane in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        found = sum(pool.map(kill_repeatedly, databases, [kills] * lanes))
    assert found >= lanes * kills * MIN_WRITES_BEFORE_KILL
    record_property("kills", lanes * kills)
    record_property("acknowledged_writes_found", found)
