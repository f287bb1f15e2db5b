"""Where queries get their answers."""

import asyncio

import pytest

from heksher.server.api import query_desk as module
from heksher.server.api.query_service import QueryDesk, Reply, Wish, make_key, read_revision
from heksher.server.catalog.answer import MIN_COMPRESSED_BYTES
from heksher.server.catalog.availability import Availability
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.query import Query
from heksher.server.errors import NotFoundError
from heksher.server.metrics import Metrics
from heksher.server.operations.declaration import declare
from heksher.server.storage.base import NOBODY
from heksher.server.storage.storage_errors import StorageUnavailableError
from tests.support.catalogs import FragileStorage, open_fragile
from tests.support.operations import declaring
from tests.support.storages import write_something

PLAIN = Wish(b"", "", b"")


class Desk:
    """A desk, with what stands behind it."""

    def __init__(self) -> None:
        self.storage: FragileStorage = open_fragile()
        self.catalog = Catalog(self.storage, 10_000_000)
        self.availability = Availability()
        self.metrics = Metrics()
        self.desk = QueryDesk(self.catalog, self.availability, self.metrics)

    def ask(self, query: Query = Query(), wish: Wish = PLAIN, key: bytes | None = None) -> Reply:  # noqa: B008 - it is frozen
        if key is None:
            key = b"" if query == Query() else repr(query).encode()
        return asyncio.run(self.desk.reply(key, query, wish))

    def read_metric(self, name: str) -> float:
        lines = self.metrics.render()[0].decode().splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


@pytest.fixture
def desk() -> Desk:
    """A desk whose catalog is not loaded yet."""
    return Desk()


def read_header(reply: Reply, name: bytes) -> bytes | None:
    return dict(reply.headers).get(name)


def test_what_was_asked_before_is_there(desk: Desk):
    """By its key alone, without the query; another key is not."""
    reply = desk.ask(key=b"settings=")
    assert reply == desk.desk.find_reply(b"settings=", PLAIN)
    assert (200, b"1") == (reply.status, read_header(reply, b"heksher-revision"))
    assert desk.desk.find_reply(b"", PLAIN) is None


def test_the_catalog_is_loaded_by_the_first_query(desk: Desk):
    """Until then nothing is there."""
    assert desk.desk.find_reply(b"", PLAIN) is None
    desk.ask()
    desk.ask(Query(()))
    assert 1 == desk.storage.reads


def test_what_was_changed_is_not_there(desk: Desk):
    """Until it is asked for again."""
    desk.ask()
    declare(desk.storage, declaring("new"), NOBODY)
    desk.catalog.refresh()
    assert desk.desk.find_reply(b"", PLAIN) is None
    assert b'"new"' in desk.ask().body
    assert b"2" == read_header(desk.desk.find_reply(b"", PLAIN), b"heksher-revision")


def test_hits_and_misses_are_counted(desk: Desk):
    """A hit is an answer that was there, wherever it was found."""
    desk.ask()
    desk.desk.find_reply(b"", PLAIN)
    desk.ask()
    desk.ask(Query(()), key=b"settings=")
    desk.desk.find_reply(b"other", PLAIN)
    names = ("heksher_cache_hits_total", "heksher_cache_misses_total")
    assert (2, 2) == tuple(map(desk.read_metric, names))


def test_a_known_answer_is_not_sent(desk: Desk):
    """The tag is told, and nothing of the body."""
    first = desk.ask()
    tag = read_header(first, b"etag")
    reply = desk.desk.find_reply(b"", Wish(tag, "", b""))
    assert (304, b"", tag) == (reply.status, reply.body, read_header(reply, b"etag"))
    assert read_header(reply, b"content-length") is None
    assert {b"cache-control", b"vary", b"heksher-context-features", b"heksher-revision"} <= dict(reply.headers).keys()


def test_a_form_that_was_not_asked_for_is_made(desk: Desk):
    """Once; then it is there."""
    declare(desk.storage, declaring("large", type="str", default_value="x" * MIN_COMPRESSED_BYTES), NOBODY)
    desk.ask()
    wish = Wish(b"", "gzip", b"")
    assert desk.desk.find_reply(b"", wish) is None
    reply = desk.ask(wish=wish)
    assert reply == desk.desk.find_reply(b"", wish)
    assert b"gzip" == read_header(reply, b"content-encoding")


@pytest.mark.parametrize("limit", ["_MAX_RULES_ON_EVENT_LOOP", "_MAX_BYTES_ON_EVENT_LOOP"])
def test_what_takes_long_is_made_on_a_thread(desk: Desk, monkeypatch: pytest.MonkeyPatch, limit: str):
    """The answer is the same."""
    declare(desk.storage, declaring("large", type="str", default_value="x" * MIN_COMPRESSED_BYTES), NOBODY)
    wish = Wish(b"", "zstd", b"")
    expected = desk.ask(wish=wish, key=b"here")
    monkeypatch.setattr(module, limit, 0)
    assert expected == desk.ask(wish=wish, key=b"elsewhere")


def test_what_many_ask_at_once_is_made_once(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """Nobody has to ask the same again because another one went away meanwhile."""
    monkeypatch.setattr(module, "_MAX_RULES_ON_EVENT_LOOP", 0)
    made = []
    build = module.build_answer
    monkeypatch.setattr(module, "build_answer", lambda *arguments: (made.append(1), build(*arguments))[1])
    desk.catalog.load()

    async def ask_at_once() -> list[object]:
        several = [asyncio.create_task(desk.desk.reply(b"", Query(), PLAIN)) for _ in range(5)]
        asyncio.get_running_loop().call_soon(several[0].cancel)
        return await asyncio.gather(*several, return_exceptions=True)

    first, *others = asyncio.run(ask_at_once())
    assert isinstance(first, asyncio.CancelledError)
    assert [200] * 4 == [reply.status for reply in others]
    assert [1] == made


@pytest.mark.parametrize(
    ("min_revision", "answered_with", "reads"), [(b"", 1, 0), (b"1", 1, 0), (b"2", 2, 1), (b"99", 2, 1)]
)
def test_a_demanded_revision_is_looked_for(desk: Desk, min_revision: bytes, answered_with: int, reads: int):
    """In the database, if it is not here; one that nobody has is of a time before a backup was restored."""
    desk.ask()
    write_something(desk.storage)
    before = desk.storage.reads
    wish = Wish(b"", "", min_revision)
    assert (reads == 0) == (desk.desk.find_reply(b"", wish) is not None)
    assert b"%d" % answered_with == read_header(desk.ask(wish=wish), b"heksher-revision")
    assert reads == desk.storage.reads - before


def test_an_unknown_name_is_looked_for(desk: Desk):
    """Another process may have it since a moment ago."""
    desk.ask()
    declare(desk.storage, declaring("new"), NOBODY)
    assert 200 == desk.ask(Query(("new",))).status
    with pytest.raises(NotFoundError):
        desk.ask(Query(("unheard_of",)))


@pytest.mark.parametrize(("query", "min_revision"), [(Query(("new",)), b""), (Query(), b"2")])
def test_what_only_the_database_knows_is_an_error_while_it_is_away(desk: Desk, query: Query, min_revision: bytes):
    """What is known is answered."""
    desk.ask()
    desk.storage.is_away = True
    with pytest.raises(StorageUnavailableError):
        desk.ask(query, Wish(b"", "", min_revision))
    assert 200 == desk.ask().status


@pytest.mark.parametrize(("query", "min_revision"), [(Query(("new",)), b""), (Query(), b"2")])
def test_nobody_waits_for_a_database_that_is_known_to_be_away(desk: Desk, query: Query, min_revision: bytes):
    """All threads would, one for each client that asks for what is not there."""
    desk.ask()
    desk.availability.note("away")
    before = desk.storage.reads
    with pytest.raises(StorageUnavailableError):
        desk.ask(query, Wish(b"", "", min_revision))
    assert before == desk.storage.reads


def test_a_wish_is_read_from_headers(desk: Desk):
    """Several lines of tags are one list; other headers are nobody's business here."""
    headers = [
        (b"host", b"heksher"),
        (b"if-none-match", b'"a"'),
        (b"accept-encoding", b"gzip"),
        (b"if-none-match", b'W/"b"'),
        (b"heksher-min-revision", b"17"),
    ]
    assert Wish(b'"a",W/"b"', "gzip", b"17") == desk.desk.read_wish(headers)
    assert PLAIN == desk.desk.read_wish([])


def test_made_up_encodings_are_not_remembered(desk: Desk):
    """Whoever makes up thousands gets an answer, and takes no memory."""
    for number in range(1000):
        assert "gzip" == desk.desk.read_wish([(b"accept-encoding", b"gzip, x%d" % number)]).encoding
    assert 64 == len(desk.desk._known_encodings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"0", 0),
        (b"017", 17),
        (b"9" * 18, 10**18 - 1),
        (b"9" * 19, None),
        (b"9" * 10_000, None),
        (b"", None),
        (b"-1", None),
        (b"+1", None),
        (b"1.0", None),
        (b"1_0", None),
        (b" 1", None),
        ("²".encode(), None),
    ],
)
def test_a_revision_is_a_whole_number(text: bytes, expected: int | None):
    """In digits, as many as a database counts with."""
    assert expected == read_revision(text)
    assert (expected is not None) == Wish(b"", "", text or b"x").is_met_by(10**18)


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
