"""What each kind of write costs, in statements and in round trips, as the documentation says it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.load.delaying_proxy import DelayingProxy
from heksher.server.storage import postgres_connection
from heksher.server.storage.base import Storage
from heksher.server.storage.sql import SqlStorage
from tests.support.api import Api
from tests.support.postgres import make_postgres_schema
from tests.support.write_costs import WRITES, counting_statements, prepare

PAGE = Path(__file__).parents[2] / "docs/reference/http-api.md"
HEADING = "## What a write costs"
# Of a rule's value, in statements.
MAX_FOR_A_VALUE = 10

# On a busy machine a message can arrive in two pieces, which look like a trip more, and what is sent without waiting
# can go before an answer that was on its way, which looks like a trip less.
MAX_TRIES = 10

Count = Callable[[], int]


def read_table() -> dict[str, tuple[int, ...]]:
    """Read the documented figures: statements on SQLite, statements and round trips on PostgreSQL."""
    section = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    return {name: tuple(map(int, figures)) for name, *figures in rows[2:]}


def measure(storage: Storage, count: Callable[[], tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Make each kind of write; return how much of what is counted each has added."""
    storage.open()
    api = Api(storage)
    prepare(api)
    costs = {}
    for name, write in WRITES.items():
        before = _settle(count)
        write(api)
        costs[name] = tuple(now - earlier for now, earlier in zip(_settle(count), before, strict=True))
    storage.close()
    return costs


def _settle(count: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
    """Count what there is when nothing comes any more: a proxy counts a moment after what it passes on."""
    counted = count()
    while True:
        time.sleep(0.02)
        if counted == (counted := count()):
            return counted


def test_costs_on_sqlite(tmp_path: Path):
    """The statements of each write."""
    with counting_statements() as statements:
        costs = measure(SqlStorage(f"sqlite:///{tmp_path / 'heksher.db'}"), lambda: (len(statements),))
    assert {name: figures[:1] for name, figures in read_table().items()} == costs
    assert costs["change a rule's value"] <= (MAX_FOR_A_VALUE,)


def measure_on_postgres() -> dict[str, tuple[int, ...]]:
    """Count the statements and round trips of each write, by a proxy that all of it goes through."""
    with make_postgres_schema() as url, DelayingProxy(url) as proxy:
        return measure(SqlStorage(proxy.url), lambda: proxy.traffic[1:])


def test_costs_on_postgres(monkeypatch: pytest.MonkeyPatch):
    """The statements and round trips of each write, as a proxy counts them that all of it goes through."""
    # However slow this machine is now, no connection has been idle for so long that it is checked.
    monkeypatch.setattr(postgres_connection, "_TRUSTED_S", 3600.0)
    expected = {name: figures[1:] for name, figures in read_table().items()}
    costs: dict[str, tuple[int, ...]] = {}
    for _ in range(MAX_TRIES):
        found = {name: figures for name, figures in costs.items() if figures == expected.get(name)}
        if expected == (costs := measure_on_postgres() | found):
            break
    assert expected == costs
    assert costs["change a rule's value"] <= (MAX_FOR_A_VALUE, 4)


def test_many_cost_what_few_do():
    """Declaring hundreds of settings takes no more than declaring a few."""
    table = read_table()
    new, many = table["declare a new setting"], table["declare 300 new settings at once"]
    assert all(there <= here + 1 for here, there in zip(new, many, strict=True))
