"""Queries while the database does not answer: what is in memory is answered, and no demand waits for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from heksher.server.storage.base import Writer
from heksher.server.write_turns import MAX_WRITERS
from tests.support.fake_service import DEADLINE_S
from tests.support.held_storage import HeldStorage
from tests.support.service import RunningService
from tests.support.storages import a_setting, store
from tests.support.waiting import wait_until

# Enough that the answer is made in a thread.
MANY_RULES = 3_000


@pytest.fixture
def storage() -> Iterator[HeldStorage]:
    """A storage with many rules; whatever still waits in the end is let go."""
    storage = HeldStorage()

    def fill(writer: Writer) -> None:
        writer.set_context_features(["user"])
        writer.add_setting(a_setting("s"))
        for number in range(MANY_RULES):
            writer.add_rule("s", {"user": f"u{number}"}, number, {})

    store(storage, fill)
    yield storage
    storage.fail()


def test_queries_are_answered_while_all_writers_wait(storage: HeldStorage):
    """A large answer that is not in memory yet is made although as many wait for the database as may, and others."""
    with RunningService(storage) as service, ThreadPoolExecutor(2 * MAX_WRITERS) as pool:
        storage.hold()
        for _ in range(2 * MAX_WRITERS):
            pool.submit(service.http.post, "/api/v1/context_features", json={"context_feature": "f"})
        # One more: the thread that follows the change log looks at the database each second.
        assert wait_until(lambda: storage.waiting > MAX_WRITERS)
        try:
            answer = service.http.get("/api/v1/query", timeout=DEADLINE_S / 2)
        finally:
            storage.fail()
    assert (200, MANY_RULES) == (answer.status_code, len(answer.json()["settings"]["s"]["rules"]))


def test_stream_opens_while_the_database_is_waited_for(storage: HeldStorage):
    """Opening a stream waits for nobody: it would keep all other requests waiting, too."""
    with RunningService(storage) as service:
        storage.hold()
        # The thread that follows the change log waits.
        assert wait_until(lambda: storage.waiting)
        try:
            with httpx2.stream("GET", f"{service.url}/api/v1/stream", timeout=DEADLINE_S / 2) as stream:
                assert "event: change" == next(stream.iter_lines())
        finally:
            storage.fail()


def test_demands_do_not_wait_for_a_database_that_is_away(storage: HeldStorage):
    """Once the database is known to be away, what only it could answer is refused at once."""
    with RunningService(storage) as service:
        storage.hold()
        storage.fail()
        assert wait_until(lambda: service.http.get("/healthz/ready").json()["database"] == "down")
        storage.hold()
        demands = [{"headers": {"Heksher-Min-Revision": "17"}}, {"params": {"settings": "unknown"}}]
        try:
            answers = [service.http.get("/api/v1/query", **demand, timeout=DEADLINE_S / 2) for demand in demands]
        finally:
            storage.fail()
    assert [(503, "1")] * 2 == [(answer.status_code, answer.headers["Retry-After"]) for answer in answers]
