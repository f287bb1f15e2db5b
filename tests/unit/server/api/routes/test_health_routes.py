"""Each answer of the routes that tell how the service is doing."""

import pytest

import heksher
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.api import Api
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.fake_service import DEADLINE_S
from tests.support.waiting import wait_until

PATH = "/api/health"
READY = "/healthz/ready"


@pytest.fixture
def storage() -> FragileStorage:
    """A storage that can go away."""
    return open_fragile()


def test_a_healthy_service_tells_its_version():
    """The answer has the version of the distribution."""
    response = Api().get(PATH)
    assert (200, {"version": heksher.__version__}) == (response.status_code, response.json())


def test_a_service_without_its_database_is_not_healthy(storage: FragileStorage):
    """While the database cannot be reached the answer is a 500 that says so; then the service is healthy again."""
    api = Api(storage)
    with api.app.run():
        storage.is_away = True
        storage.notify()
        assert wait_until(lambda: 500 == api.get(PATH).status_code)
        assert {"detail": "the database cannot be reached"} == api.get(PATH).json()
        storage.is_away = False
        storage.notify()
        assert wait_until(lambda: 200 == api.get(PATH).status_code)


def test_nobody_waits_for_the_database_to_learn_how_the_service_is_doing(storage: FragileStorage):
    """Whatever that does: a monitor that has no answer in time would take all replicas for dead."""
    api = Api(storage)
    api.get("/api/v1/query")
    with api.app.run():
        storage.gate.clear()
        storage.notify()
        assert storage.is_waiting.wait(DEADLINE_S)
        assert [200] * 5 == [api.get(path).status_code for path in (PATH, READY, "/healthz/live", "/metrics", "/docs")]
        storage.gate.set()


def test_a_process_that_cannot_write_is_ready(storage: FragileStorage):
    """It says why no write is possible, as the metrics do, and is well otherwise; then it is as before."""
    api = Api(storage)
    with api.app.run():
        storage.sickness = StorageUnavailableError("no room", "disk full")
        assert 507 == api.post("/api/v1/context_features", json={"context_feature": "x"}).status_code
        storage.notify()
        assert wait_until(lambda: "heksher_writes_possible 0.0" in api.get("/metrics").text)
        response = api.get(READY)
        assert (200, "up", "disk full") == (response.status_code, *map(response.json().get, ("database", "writes")))
        assert 200 == api.get(PATH).status_code
        storage.sickness = None
        assert 204 == api.post("/api/v1/context_features", json={"context_feature": "x"}).status_code
        storage.notify()
        assert wait_until(lambda: "heksher_writes_possible 1.0" in api.get("/metrics").text)
        assert "possible" == api.get(READY).json()["writes"]


def test_a_process_that_answers_is_alive(storage: FragileStorage):
    """The database has nothing to do with it."""
    storage.is_away = True
    response = Api(storage).get("/healthz/live")
    assert (200, {"live": True}) == (response.status_code, response.json())


def test_a_process_is_ready_once_it_has_loaded_the_settings(storage: FragileStorage):
    """It says at which revision it is, and since when that is known to be the newest."""
    api = Api(storage)
    response = api.get(READY)
    unknown = {"revision": None, "revision_id": None, "history_lost_at": None, "age_s": None}
    unready = {"ready": False, **unknown, "database": "up", "writes": "possible"}
    assert (503, unready) == (response.status_code, response.json())
    api.get("/api/v1/query")
    response = api.get(READY)
    facts = response.json()
    assert 0 <= facts.pop("age_s") < DEADLINE_S
    revision_id = str(storage.read(lambda reader: reader.revision_id()))
    known = {"revision": 1, "revision_id": revision_id, "history_lost_at": None}
    assert (200, {"ready": True, **known, "database": "up", "writes": "possible"}) == (response.status_code, facts)


def test_a_process_without_its_database_is_ready(storage: FragileStorage):
    """It answers queries; that the database is away is told."""
    api = Api(storage)
    api.get("/api/v1/query")
    with api.app.run():
        storage.is_away = True
        storage.notify()
        assert wait_until(lambda: "down" == api.get(READY).json()["database"])
        response = api.get(READY)
    assert (200, True, "down") == (response.status_code, response.json()["ready"], response.json()["database"])


def test_a_process_that_is_about_to_end_is_not_ready(storage: FragileStorage):
    """So that it is sent no more requests; those that it gets are answered."""
    api = Api(storage)
    api.get("/api/v1/query")
    api.app.end_streams()
    response = api.get(READY)
    assert (503, False, 1) == (response.status_code, response.json()["ready"], response.json()["revision"])
    assert 200 == api.get("/api/v1/query").status_code


def test_metrics_are_those_of_the_process(storage: FragileStorage):
    """As Prometheus reads them, with what was found out about database and catalog."""
    api = Api(storage)
    with api.app.run():
        storage.notify()
        assert wait_until(lambda: "heksher_catalog_revision 1.0" in api.get("/metrics").text)
    api.get("/api/v1/query")
    api.get("/api/v1/query")
    response = api.get("/metrics")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (
        response.status_code,
        response.headers["content-type"],
    )
    lines = set(response.text.splitlines())
    assert {
        "heksher_catalog_settings 1.0",
        "heksher_catalog_rules 2.0",
        "heksher_database_up 1.0",
        "heksher_writes_possible 1.0",
        "heksher_cache_hits_total 1.0",
        "heksher_cache_misses_total 1.0",
        "heksher_streams 0.0",
    } <= lines
