"""Two replicas of the service on one PostgreSQL: what one writes, the other answers, and nobody goes back.

How quickly is measured by ``make bench-replicas``. One replica hears of writes, the other looks for them once a second.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count, cycle

import httpx2
import pytest

from tests.support.postgres import add_parameters, make_postgres_schema, run_sql
from tests.support.replicas import Replicas
from tests.support.waiting import wait_until

DEADLINE_S = 60.0
QUERY = "/api/v1/query"
MIN_REVISION = "Heksher-Min-Revision"
# In the order in which rows can be added.
TABLES = (
    "write_state",
    "context_feature",
    "setting",
    "setting_name",
    "setting_feature",
    "rule",
    "log_entry",
    "log_part",
    "log_value",
)

names = map("setting_{}".format, count())


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database."""
    with make_postgres_schema() as url:
        yield url


@pytest.fixture(scope="module")
def replicas(database: str) -> Iterator[Replicas]:
    """Two replicas; the second does not hear of writes."""
    databases = [database, add_parameters(database, heksher_listen="off")]
    with Replicas(databases, "--context-features", "user") as replicas:
        yield replicas


@pytest.fixture
def clients(replicas: Replicas) -> Iterator[list[httpx2.Client]]:
    """A client of each replica."""
    with ExitStack() as stack:
        yield [stack.enter_context(httpx2.Client(base_url=url, timeout=DEADLINE_S)) for url in replicas.urls]


def declare(client: httpx2.Client, name: str) -> int:
    """Declare a setting; return the revision."""
    body = {"name": name, "configurable_features": ["user"], "type": "int", "default_value": 0}
    response = client.post("/api/v1/settings/declare", json=body)
    assert 200 == response.status_code, response.text
    return int(response.headers["Heksher-Revision"])


def add_rule(client: httpx2.Client, setting: str, user: str) -> int:
    """Add a rule; return the revision."""
    body = {"setting": setting, "feature_values": {"user": user}, "value": 1}
    response = client.post("/api/v1/rules", json=body)
    assert 201 == response.status_code, response.text
    return int(response.headers["Heksher-Revision"])


def find_users(answer: httpx2.Response, setting: str) -> list[str]:
    """Return the users that an answer has rules for."""
    return [rule["context_features"][0][1] for rule in answer.json()["settings"][setting]["rules"]]


@pytest.mark.parametrize("writer", [0, 1], ids=["other polls", "other listens"])
def test_change_is_served_by_the_other(clients: list[httpx2.Client], writer: int):
    """A rule that is added by one replica is soon in the answers of the other."""
    setting = next(names)
    revision = declare(clients[writer], setting)
    other = clients[1 - writer]
    assert [] == find_users(other.get(QUERY, headers={MIN_REVISION: str(revision)}), setting)
    add_rule(clients[writer], setting, "guest")
    assert wait_until(
        lambda: ["guest"] == find_users(other.get(QUERY, params={"settings": setting}), setting), DEADLINE_S
    )


def test_declared_setting_is_known_to_the_other(clients: list[httpx2.Client]):
    """A setting that one replica has created is never unknown to the other, whether or not a revision is demanded."""
    answers = []
    for number in range(200):
        setting = next(names)
        revision = declare(clients[number % 2], setting)
        headers = {MIN_REVISION: str(revision)} if number // 2 % 2 else {}
        answers.append(clients[1 - number % 2].get(QUERY, params={"settings": setting}, headers=headers))
    assert Counter({200: 200}) == Counter(answer.status_code for answer in answers)


def test_writes_through_several_replicas(clients: list[httpx2.Client]):
    """Revisions have no gaps, and in the end all replicas give the same answer with the same tag."""
    setting = next(names)
    first = declare(clients[0], setting)
    with ThreadPoolExecutor(4) as pool:
        turns = zip(range(60), cycle(clients), strict=False)
        writing = [pool.submit(add_rule, client, setting, f"u{number}") for number, client in turns]
        revisions = [each.result() for each in writing]
    assert list(range(first + 1, first + 61)) == sorted(revisions)
    answers = [client.get(QUERY, headers={MIN_REVISION: str(first + 60)}) for client in clients]
    assert [str(first + 60)] * 2 == [answer.headers["Heksher-Revision"] for answer in answers]
    assert 1 == len({(answer.headers["ETag"], answer.content) for answer in answers})


class Reader:
    """Asks replicas in turn, and demands the newest revision that it has seen.

    Attributes:
        seen: the revisions of the answers, in order.
        refusals: how often a replica was not there.
    """

    def __init__(self, clients: list[httpx2.Client]) -> None:
        self._clients = clients
        self.seen = [0]
        self.refusals = 0

    def read_until(self, end: threading.Event) -> None:
        """Ask in turn until the end."""
        for client in cycle(self._clients):
            if end.is_set():
                return
            self._read(client)

    def _read(self, client: httpx2.Client) -> None:
        try:
            answer = client.get(QUERY, headers={MIN_REVISION: str(self.seen[-1])})
        except httpx2.TransportError:
            self.refusals += 1
        else:
            assert 200 == answer.status_code, answer.text
            self.seen.append(int(answer.headers["Heksher-Revision"]))


def write_until(client: httpx2.Client, setting: str, end: threading.Event) -> None:
    """Write until the end."""
    for number in count():
        if end.is_set():
            return
        add_rule(client, setting, f"u{number}")


def test_reader_never_goes_back(replicas: Replicas, clients: list[httpx2.Client]):
    """Whoever demands what it has seen never sees an older revision, also when a replica is killed and comes back."""
    setting = next(names)
    declare(clients[0], setting)
    reader, end = Reader(clients), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(write_until, replicas.http, setting, end), pool.submit(reader.read_until, end)]
        try:
            replicas.services[1].kill()
            assert wait_until(lambda: reader.refusals, DEADLINE_S)
            replicas.bring_back(1)
            at_return = len(reader.seen)
            assert wait_until(lambda: len(reader.seen) > at_return + 20, DEADLINE_S)
        finally:
            end.set()
    assert [None, None] == [task.result() for task in tasks]
    assert sorted(reader.seen) == reader.seen
    assert reader.seen[at_return] < reader.seen[-1]


def copy_tables(database: str) -> None:
    """Make a backup of all tables, beside them."""
    run_sql(database, "".join(f"CREATE TABLE backup_{table} AS TABLE {table};" for table in TABLES))


def restore_tables(database: str) -> None:
    """Bring the tables back to the backup, all at once."""
    deletions = [f"DELETE FROM {table};" for table in reversed(TABLES)]  # noqa: S608 - names from above
    run_sql(database, "".join([*deletions, *(f"INSERT INTO {table} TABLE backup_{table};" for table in TABLES)]))


def test_restored_database_is_noticed(database: str, replicas: Replicas, clients: list[httpx2.Client]):
    """After the database went back to a backup, a replica that was running all the time answers from that, too."""
    setting = next(names)
    revision = declare(clients[0], setting)
    backed_up = clients[0].get(QUERY)
    copy_tables(database)
    for number in range(3):
        add_rule(clients[0], setting, f"u{number}")
    replicas.services[1].stop()
    restore_tables(database)
    replicas.bring_back(1)
    assert wait_until(lambda: clients[0].get(QUERY).headers["ETag"] == backed_up.headers["ETag"], DEADLINE_S)
    # Clients that have seen what is gone are answered, too.
    headers = {MIN_REVISION: str(revision + 3)}
    answers = [client.get(QUERY, headers=headers) for client in clients]
    assert [(revision, backed_up.content)] * 2 == [(int(a.headers["Heksher-Revision"]), a.content) for a in answers]
    assert wait_until(lambda: "the database has lost changes:" in "".join(replicas.services[0].lines), DEADLINE_S)
    assert revision + 1 == add_rule(clients[1], setting, "new")
