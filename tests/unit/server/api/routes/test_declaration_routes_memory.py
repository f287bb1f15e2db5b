"""Declarations that are answered from memory: without the database, and with the answer that it would have given."""

import httpx2
import pytest

from heksher.server.config import Config
from tests.support.api import Api, locations
from tests.support.catalogs import FragileStorage, open_fragile

DECLARE = "/api/v1/settings/declare"
MANY = "/api/v1/settings/declare-many"
KNOWN = {"name": "cache_ttl", "configurable_features": ["environment", "user", "theme"], "type": "int",
         "default_value": 60}  # fmt: skip
OLDER = {**KNOWN, "version": "0.9", "default_value": 7}
NEW = {**KNOWN, "name": "new"}
DEMANDED = "Heksher-Min-Revision"


@pytest.fixture
def storage() -> FragileStorage:
    """A storage with a setting, which can go away."""
    return open_fragile()


@pytest.fixture
def loaded(storage: FragileStorage) -> Api:
    """A service that has everything in memory."""
    return load(storage)


def load(storage: FragileStorage) -> Api:
    """Make a service that has everything in memory."""
    api = Api(storage)
    api.get("/api/v1/query")
    return api


def describe(response: httpx2.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    return response.status_code, headers, response.content


@pytest.mark.parametrize(("path", "body"), [(DECLARE, KNOWN), (DECLARE, OLDER), (MANY, [KNOWN, OLDER])])
def test_memory_answers_byte_for_byte_as_the_database_does(storage: FragileStorage, path: str, body: object):
    """Status, headers and body; a process that has nothing in memory yet has to ask the database."""
    asked = Api(storage).post(path, json=body)
    loaded = load(storage)
    storage.is_away = True
    assert describe(asked) == describe(loaded.post(path, json=body))


def test_without_the_database_only_what_is_new_is_unavailable(loaded: Api, storage: FragileStorage):
    """It is the same in either route."""
    storage.is_away = True
    statuses = [loaded.post(DECLARE, json=body).status_code for body in (KNOWN, NEW, OLDER)]
    many = loaded.post(MANY, json=[KNOWN, NEW, OLDER])
    assert [200, 503, 200] == statuses == [answer["status"] for answer in many.json()]
    assert "1" == many.headers["Heksher-Revision"]


@pytest.mark.parametrize("path", [DECLARE, MANY])
def test_more_than_is_in_memory_can_be_demanded(loaded: Api, storage: FragileStorage, path: str):
    """Then the database is asked, and without it the answer is that it is away; what it has not is ignored."""
    body = KNOWN if path == DECLARE else [KNOWN]
    assert "1" == loaded.post(path, json=body, headers={DEMANDED: "9"}).headers["Heksher-Revision"]
    storage.is_away = True
    assert 200 == loaded.post(path, json=body, headers={DEMANDED: "1"}).status_code
    response = loaded.post(path, json=body, headers={DEMANDED: "2"})
    assert 503 == (response.status_code if path == DECLARE else response.json()[0]["status"])


def test_of_several_demands_the_last_one_counts(loaded: Api, storage: FragileStorage):
    """As with a query, on one line or several."""
    storage.is_away = True
    for demands in ([(DEMANDED, "9,1")], [(DEMANDED, "9"), (DEMANDED, "1")]):
        assert 200 == loaded.post(DECLARE, json=KNOWN, headers=demands).status_code


@pytest.mark.parametrize("demanded", ["x", "-1", "1.5", "9" * 19, "", "abc,1", "1,abc"])
@pytest.mark.parametrize("path", [DECLARE, MANY])
def test_a_malformed_demand_is_refused(loaded: Api, path: str, demanded: str):
    """As with a query."""
    response = loaded.post(path, json=[KNOWN] if path == MANY else KNOWN, headers={DEMANDED: demanded})
    assert [["header", DEMANDED]] == locations(response)


def test_another_replica_is_known_to_be_ahead(storage: FragileStorage):
    """Who deleted a setting on one replica, and says so to another, never hears there that it is up to date."""
    here, there = load(storage), load(storage)
    revision = there.delete("/api/v1/settings/cache_ttl").headers["Heksher-Revision"]
    assert {"outcome": "uptodate"} == here.post(DECLARE, json=KNOWN).json()
    assert {"outcome": "created"} == here.post(DECLARE, json=KNOWN, headers={DEMANDED: revision}).json()


def test_a_service_without_a_database_knows_nothing(storage: FragileStorage):
    """Before anything was loaded, everything is unavailable."""
    storage.is_away = True
    api = Api(storage, Config(database="unused"))
    assert 503 == api.post(DECLARE, json=KNOWN).status_code
    assert [503] == [answer["status"] for answer in api.post(MANY, json=[KNOWN]).json()]
