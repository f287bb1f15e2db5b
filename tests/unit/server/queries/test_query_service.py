"""Where queries get their answers."""

import asyncio
import threading

import pytest

from heksher.server.catalog.advance import Step
from heksher.server.catalog.answer import MIN_COMPRESSED_BYTES
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.cache import AnswerCache
from heksher.server.catalog.catalog import Catalog, CatalogState
from heksher.server.catalog.picture import Picture
from heksher.server.catalog.query import CatalogQuery
from heksher.server.errors import NotFoundError
from heksher.server.metrics import Metrics
from heksher.server.operations.declaration import declare
from heksher.server.queries import query_service as module
from heksher.server.queries.query_service import QueryService, Reply, ResponsePreferences, make_key
from heksher.server.queries.workshop import Workshop
from heksher.server.storage.base import NOBODY
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.usage.use_counter import UseCounter
from tests.support.catalogs import FragileStorage, a_picture, make_stamp, open_fragile
from tests.support.fake_service import DEADLINE_S
from tests.support.operations import declaring
from tests.support.storages import write_something

PLAIN = ResponsePreferences(b"", "", None)


class Desk:
    """A desk, with what stands behind it."""

    def __init__(self) -> None:
        self.storage: FragileStorage = open_fragile()
        self.catalog = Catalog(self.storage, 10_000_000)
        self.availability = Availability()
        self.metrics = Metrics()
        self.uses = UseCounter(is_counting=True)
        self.query_service = QueryService(self.catalog, self.availability, self.metrics, Workshop(), self.uses)

    def ask(
        self,
        query: CatalogQuery = CatalogQuery(),  # noqa: B008 - it is frozen
        preferences: ResponsePreferences = PLAIN,
        key: bytes | None = None,
    ) -> Reply:
        if key is None:
            key = b"" if query == CatalogQuery() else repr(query).encode()
        return asyncio.run(self.query_service.reply(key, query, preferences))

    def read_metric(self, name: str) -> float:
        lines = self.metrics.render()[0].decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


@pytest.fixture
def query_service() -> Desk:
    """A desk whose catalog is not loaded yet."""
    return Desk()


def read_header(reply: Reply, name: bytes) -> bytes | None:
    return dict(reply.headers).get(name)


def test_what_was_asked_before_is_there(query_service: Desk):
    """By its key alone, without the query; another key is not."""
    reply = query_service.ask(key=b"settings=")
    assert reply == query_service.query_service.find_reply(b"settings=", PLAIN)
    assert (200, b"1") == (reply.status, read_header(reply, b"heksher-revision"))
    assert query_service.query_service.find_reply(b"", PLAIN) is None


def test_the_catalog_is_loaded_by_the_first_query(query_service: Desk):
    """Until then nothing is there."""
    assert query_service.query_service.find_reply(b"", PLAIN) is None
    query_service.ask()
    query_service.ask(CatalogQuery(()))
    assert 1 == query_service.storage.reads


def test_what_was_changed_is_not_there(query_service: Desk):
    """Until it is asked for again."""
    query_service.ask()
    declare(query_service.storage, declaring("new"), NOBODY)
    query_service.catalog.refresh()
    assert query_service.query_service.find_reply(b"", PLAIN) is None
    assert b'"new"' in query_service.ask().body
    assert b"2" == read_header(query_service.query_service.find_reply(b"", PLAIN), b"heksher-revision")


def test_hits_and_misses_are_counted(query_service: Desk):
    """A hit is an answer that was there, wherever it was found."""
    query_service.ask()
    query_service.query_service.find_reply(b"", PLAIN)
    query_service.ask()
    query_service.ask(CatalogQuery(()), key=b"settings=")
    query_service.query_service.find_reply(b"other", PLAIN)
    names = ("heksher_cache_hits_total", "heksher_cache_misses_total")
    assert (2, 2) == tuple(map(query_service.read_metric, names))


def test_a_known_answer_is_not_sent(query_service: Desk):
    """The tag is told, and nothing of the body."""
    first = query_service.ask()
    tag = read_header(first, b"etag")
    reply = query_service.query_service.find_reply(b"", ResponsePreferences(tag, "", None))
    assert (304, b"", tag) == (reply.status, reply.body, read_header(reply, b"etag"))
    assert read_header(reply, b"content-length") is None
    assert {b"cache-control", b"vary", b"heksher-context-features", b"heksher-revision"} <= dict(reply.headers).keys()


def test_a_form_that_was_not_asked_for_is_made(query_service: Desk):
    """Once; then it is there."""
    declare(query_service.storage, declaring("large", type="str", default_value="x" * MIN_COMPRESSED_BYTES), NOBODY)
    query_service.ask()
    preferences = ResponsePreferences(b"", "gzip", None)
    assert query_service.query_service.find_reply(b"", preferences) is None
    reply = query_service.ask(preferences=preferences)
    assert reply == query_service.query_service.find_reply(b"", preferences)
    assert b"gzip" == read_header(reply, b"content-encoding")


@pytest.mark.parametrize("limit", ["_MAX_RULES_ON_EVENT_LOOP", "MAX_BYTES_ON_EVENT_LOOP"])
def test_what_takes_long_is_made_on_a_thread(query_service: Desk, monkeypatch: pytest.MonkeyPatch, limit: str):
    """The answer is the same."""
    declare(query_service.storage, declaring("large", type="str", default_value="x" * MIN_COMPRESSED_BYTES), NOBODY)
    preferences = ResponsePreferences(b"", "zstd", None)
    expected = query_service.ask(preferences=preferences, key=b"here")
    monkeypatch.setattr(module, limit, 0)
    assert expected == query_service.ask(preferences=preferences, key=b"elsewhere")


def test_what_many_ask_at_once_is_made_once(query_service: Desk, monkeypatch: pytest.MonkeyPatch):
    """Nobody has to ask the same again because another one went away meanwhile."""
    monkeypatch.setattr(module, "_MAX_RULES_ON_EVENT_LOOP", 0)
    made = []
    build = module.build_answer
    monkeypatch.setattr(module, "build_answer", lambda *arguments: (made.append(1), build(*arguments))[1])
    query_service.catalog.load()

    async def ask_at_once() -> list[object]:
        several = [asyncio.create_task(query_service.query_service.reply(b"", CatalogQuery(), PLAIN)) for _ in range(5)]
        asyncio.get_running_loop().call_soon(several[0].cancel)
        return await asyncio.gather(*several, return_exceptions=True)

    first, *others = asyncio.run(ask_at_once())
    assert isinstance(first, asyncio.CancelledError)
    assert [200] * 4 == [reply.status for reply in others]
    assert [1] == made


def test_what_is_made_of_two_histories_is_made_twice(query_service: Desk, monkeypatch: pytest.MonkeyPatch):
    """The answer at a revision that the database has lost is not that at the revision which has its number now."""
    monkeypatch.setattr(module, "_MAX_RULES_ON_EVENT_LOOP", -1)
    gate, build = threading.Event(), module.build_answer
    query_service.catalog.load()

    def build_later(picture: Picture, query: CatalogQuery) -> bytes:
        assert gate.wait(DEADLINE_S)
        return build(picture, query)

    monkeypatch.setattr(module, "build_answer", build_later)

    async def ask_both() -> list[Reply]:
        lost = asyncio.create_task(query_service.query_service.reply(b"", CatalogQuery(), PLAIN))
        await asyncio.sleep(0)
        query_service.storage.inner = MemoryStorage()
        query_service.storage.open()
        write_something(query_service.storage)
        query_service.catalog.refresh()
        new = asyncio.create_task(query_service.query_service.reply(b"", CatalogQuery(), PLAIN))
        await asyncio.sleep(0)
        gate.set()
        return [await lost, await new]

    lost, new = asyncio.run(ask_both())
    assert [b"1", b"1"] == [read_header(reply, b"heksher-revision") for reply in (lost, new)]
    assert [True, False] == [b"cache_ttl" in reply.body for reply in (lost, new)]


@pytest.mark.parametrize(
    ("min_revision", "answered_with", "reads"), [(None, 1, 0), (b"1", 1, 0), (b"2", 2, 1), (b"99", 2, 1)]
)
def test_a_demanded_revision_is_looked_for(query_service: Desk, min_revision: bytes, answered_with: int, reads: int):
    """In the database, if it is not here; one that nobody has is of a time before a backup was restored."""
    query_service.ask()
    write_something(query_service.storage)
    before = query_service.storage.reads
    preferences = ResponsePreferences(b"", "", min_revision)
    assert (reads == 0) == (query_service.query_service.find_reply(b"", preferences) is not None)
    assert b"%d" % answered_with == read_header(query_service.ask(preferences=preferences), b"heksher-revision")
    assert reads == query_service.storage.reads - before


def test_an_unknown_name_is_looked_for(query_service: Desk):
    """Another process may have it since a moment ago."""
    query_service.ask()
    declare(query_service.storage, declaring("new"), NOBODY)
    assert 200 == query_service.ask(CatalogQuery(("new",))).status
    with pytest.raises(NotFoundError):
        query_service.ask(CatalogQuery(("unheard_of",)))


@pytest.mark.parametrize(("query", "min_revision"), [(CatalogQuery(("new",)), None), (CatalogQuery(), b"2")])
def test_what_only_the_database_knows_is_an_error_while_it_is_away(
    query_service: Desk, query: CatalogQuery, min_revision: bytes
):
    """What is known is answered."""
    query_service.ask()
    query_service.storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        query_service.ask(query, ResponsePreferences(b"", "", min_revision))
    assert 200 == query_service.ask().status


@pytest.mark.parametrize(("query", "min_revision"), [(CatalogQuery(("new",)), None), (CatalogQuery(), b"2")])
def test_nobody_waits_for_a_database_that_is_known_to_be_away(
    query_service: Desk, query: CatalogQuery, min_revision: bytes
):
    """All threads would, one for each client that asks for what is not there."""
    query_service.ask()
    query_service.availability.note(StorageUnavailableError("away"))
    before = query_service.storage.reads
    with pytest.raises(StorageUnavailableError):
        query_service.ask(query, ResponsePreferences(b"", "", min_revision))
    assert before == query_service.storage.reads


def test_a_wish_is_read_from_headers(query_service: Desk):
    """Tags can be a list; other headers are nobody's business here."""
    fields = {
        b"host": b"heksher",
        b"if-none-match": b'"a",W/"b"',
        b"accept-encoding": b"gzip",
        b"heksher-min-revision": b"17",
    }
    assert ResponsePreferences(b'"a",W/"b"', "gzip", b"17") == query_service.query_service.read_preferences(fields)
    assert PLAIN == query_service.query_service.read_preferences({})


def test_made_up_encodings_are_not_remembered(query_service: Desk):
    """Whoever makes up thousands gets an answer, and takes no memory."""
    for number in range(1000):
        fields = {b"accept-encoding": b"gzip, x%d" % number}
        assert "gzip" == query_service.query_service.read_preferences(fields).encoding
    assert 64 == len(query_service.query_service._known_encodings)


def test_long_encodings_are_not_remembered(query_service: Desk):
    """They are heeded each time: what is remembered is never forgotten."""
    long = b"gzip" + b", x" * 20_000
    for _ in range(2):
        assert "gzip" == query_service.query_service.read_preferences({b"accept-encoding": long}).encoding
    assert {} == query_service.query_service._known_encodings


def test_a_form_that_is_kept_is_counted(query_service: Desk):
    """From when it was asked for."""
    declare(query_service.storage, declaring("large", type="str", default_value="x" * 100_000), NOBODY)
    query_service.ask()
    cache = query_service.catalog.state.cache
    before = cache.size_bytes
    form = query_service.ask(preferences=ResponsePreferences(b"", "gzip", None))
    assert cache.size_bytes - before > len(form.body)


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        (b"0", True),
        (b"17", True),
        (b"16-0123456789ab", True),
        (b"17-0123456789ab", False),
        (b"18", False),
        (b"9" * 18, False),
        (b"9" * 19, False),
        (b"x", False),
        (b"17,16", False),
        ("²".encode(), False),
    ],
)
def test_what_is_no_revision_is_never_met(text: bytes, is_met: bool):
    """Only a demand that is a revision can be met: by a state that has it, as far as its stamp is known."""
    state = CatalogState(a_picture(revision=17), AnswerCache(0), (Step(17, (), make_stamp(17)),))
    assert is_met == ResponsePreferences(b"", "", text).is_met_by(state)


def test_a_query_is_known_by_what_was_sent():
    """Its query string, or its body with the type that says how to read that."""
    scope = {"query_string": b"settings=a", "headers": []}
    as_json, as_text = (
        {**scope, "headers": [(b"content-type", kind)]} for kind in (b"application/json", b"text/plain")
    )
    keys = [
        make_key(scope),
        make_key(scope, b""),
        make_key(scope, b"{}"),
        make_key(scope, b"{ }"),
        make_key(as_json, b"{}"),
        make_key(as_text, b"{}"),
    ]
    assert b"settings=a" == keys[0]
    assert len(keys) == len(set(keys))
    assert keys[2] == make_key({**scope, "query_string": b""}, b"{}")


def test_a_query_is_checked_without_its_answer(query_service: Desk):
    """Nothing is made or kept; settings that are new to this process are found."""
    asyncio.run(query_service.query_service.check(CatalogQuery(("cache_ttl",)), PLAIN))
    assert 0 == query_service.read_metric("heksher_cache_misses_total")
    declare(query_service.storage, declaring("new"), NOBODY)
    asyncio.run(query_service.query_service.check(CatalogQuery(("new",)), PLAIN))
    with pytest.raises(NotFoundError, match="nothing_such"):
        asyncio.run(query_service.query_service.check(CatalogQuery(("nothing_such",)), PLAIN))
