"""Streams over a database that goes back to an earlier revision, because a backup was restored."""

from collections.abc import Iterator

import httpx2

from heksher.server.storage.memory import MemoryStorage
from tests.support.fake_service import DEADLINE_S
from tests.support.restorable_storage import RestorableStorage
from tests.support.service import RunningService
from tests.support.storages import write_something

STREAM = "/api/v1/stream"


def make_content(revisions: int) -> MemoryStorage:
    content = MemoryStorage()
    content.open()
    for _ in range(revisions):
        write_something(content)
    return content


def read_ids(stream: httpx2.Response) -> Iterator[int]:
    """Return the ids of the events as they come."""
    return (int(line.removeprefix("id: ").partition("-")[0]) for line in stream.iter_lines() if line.startswith("id: "))


def test_restoring_is_told() -> None:
    """A stream that has told of a revision tells of the lower one after it, and of those that follow."""
    storage = RestorableStorage(make_content(revisions=5))
    with (
        RunningService(storage) as service,
        httpx2.stream("GET", f"{service.url}{STREAM}", timeout=DEADLINE_S) as stream,
    ):
        ids = read_ids(stream)
        assert 5 == next(ids)
        storage.content = make_content(revisions=2)
        assert 2 == next(ids)
        service.add_features("user")
        assert 3 == next(ids)


def test_client_of_another_era_is_told() -> None:
    """A client that comes back with a revision that the database does not have is told of what there is."""
    with (
        RunningService(RestorableStorage(make_content(revisions=5))) as service,
        httpx2.stream("GET", f"{service.url}{STREAM}", timeout=DEADLINE_S, headers={"Last-Event-ID": "17"}) as stream,
    ):
        assert 5 == next(read_ids(stream))
