"""A service whose database goes away and comes back: it reads from memory, refuses writes, and needs no restart."""

from collections.abc import Iterator

import httpx2
import pytest

from heksher.server.operations import rules
from heksher.server.storage.base import NOBODY
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.event_stream import EventStream
from tests.support.service import RunningService
from tests.support.waiting import wait_until

READS = (
    "/api/v1/query",
    "/api/v1/query?settings=cache_ttl&context_filters=user:(u1)&include_metadata=true",
    "/api/v1/settings",
    "/api/v1/settings?include_additional_data=true",
    "/api/v1/settings/cache_ttl",
    "/api/v1/settings/cache_ttl/metadata",
    "/api/v1/rules/2",
    "/api/v1/rules/2/metadata",
    "/api/v1/rules/search?setting=cache_ttl&feature_values=user:u2,environment:dev",
    "/api/v1/context_features",
    "/api/v1/context_features/user",
)
WRITES = (
    ("POST", "/api/v1/settings/declare",
     {"name": "new", "configurable_features": ["user"], "type": "int", "default_value": 1}),
    ("POST", "/api/v1/rules", {"setting": "cache_ttl", "feature_values": {"user": "new"}, "value": 1}),
    ("PUT", "/api/v1/rules/1/value", {"value": 1}),
    ("DELETE", "/api/v1/rules/1", None),
    ("DELETE", "/api/v1/settings/cache_ttl", None),
    ("POST", "/api/v1/context_features", {"context_feature": "zone"}),
)  # fmt: skip


@pytest.fixture
def storage() -> FragileStorage:
    """A storage that can go away, and is looked at all the time."""
    return open_fragile(poll_interval_s=0.01)


@pytest.fixture
def service(storage: FragileStorage) -> Iterator[RunningService]:
    """A service on it."""
    with RunningService(storage) as service:
        yield service


def read_database(service: RunningService) -> str:
    return service.http.get("/healthz/ready").json()["database"]


def go_away(service: RunningService, storage: FragileStorage) -> None:
    """Take the database away, and wait until the service knows."""
    storage.is_away = True
    assert wait_until(lambda: read_database(service) == "down")


def come_back(service: RunningService, storage: FragileStorage) -> None:
    """Bring the database back, and wait until the service knows."""
    storage.is_away = False
    assert wait_until(lambda: read_database(service) == "up")


def read_all(service: RunningService) -> list[tuple[int, object]]:
    answers = [service.http.get(path) for path in READS]
    return [(answer.status_code, answer.json()) for answer in answers]


def test_reading_goes_on_from_memory(service: RunningService, storage: FragileStorage):
    """All of it, with the same answers as from the database; what is not there is not found."""
    expected = read_all(service)
    assert {200} == {status for status, _ in expected}
    go_away(service, storage)
    assert expected == read_all(service)
    assert [404, 404, 404] == [
        service.http.get(path).status_code
        for path in ("/api/v1/settings/other", "/api/v1/rules/99", "/api/v1/context_features/other")
    ]


def test_reading_goes_on_before_the_service_knows():
    """Whoever finds out is answered from memory at once."""
    storage = open_fragile()
    with RunningService(storage) as service:
        storage.is_away = True
        assert {200} == {status for status, _ in read_all(service)}


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_writes_are_refused(
    service: RunningService, storage: FragileStorage, method: str, path: str, body: dict | None
):
    """With the time after which to try again; then they work."""
    go_away(service, storage)
    refused = service.http.request(method, path, json=body)
    assert (503, "1") == (refused.status_code, refused.headers["Retry-After"])
    come_back(service, storage)
    assert service.http.request(method, path, json=body).is_success


def test_health_says_what_is_the_matter(service: RunningService, storage: FragileStorage):
    """Existing monitors see an error; the process is alive and ready, as it answers queries."""

    def ask() -> list[int]:
        return [service.http.get(path).status_code for path in ("/api/health", "/healthz/live", "/healthz/ready")]

    assert [200, 200, 200] == ask()
    go_away(service, storage)
    assert [500, 200, 200] == ask()
    come_back(service, storage)
    assert [200, 200, 200] == ask()


def test_what_others_wrote_meanwhile_is_noticed(service: RunningService, storage: FragileStorage):
    """And told on the streams, which stay open all the time."""
    with EventStream(service.port, "settings=cache_ttl") as stream:
        assert 1 == stream.read_revision()
        go_away(service, storage)
        rules.delete(storage.inner, 1, NOBODY)
        with EventStream(service.port, "settings=cache_ttl") as late:
            assert 1 == late.read_revision()
            come_back(service, storage)
            assert [2, 2] == [stream.read_revision(), late.read_revision()]
    assert [2] == [rule["rule_id"] for rule in query(service)]


def query(service: RunningService) -> list[dict]:
    return service.http.get("/api/v1/query").json()["settings"]["cache_ttl"]["rules"]


def test_what_is_not_known_is_a_503(service: RunningService, storage: FragileStorage):
    """Perhaps the database has it: a setting that is not here, or a newer revision."""
    go_away(service, storage)
    several = [
        service.http.get("/api/v1/query?settings=other"),
        service.http.get("/api/v1/query", headers={"Heksher-Min-Revision": "2"}),
        service.http.get("/api/v1/stream?settings=other"),
    ]
    assert [(503, "1")] * 3 == [(answer.status_code, answer.headers["Retry-After"]) for answer in several]


def test_a_service_can_be_started_without_its_database():
    """It is ready as soon as that is there."""
    storage = FragileStorage(open_fragile().inner, poll_interval_s=0.01)
    storage.is_away = True
    with RunningService(storage) as service:
        answers: list[httpx2.Response] = [service.http.get("/healthz/ready"), service.http.get("/api/v1/query")]
        assert [503, 503] == [answer.status_code for answer in answers]
        storage.is_away = False
        assert wait_until(lambda: service.http.get("/healthz/ready").status_code == 200)
        assert 2 == len(query(service))
