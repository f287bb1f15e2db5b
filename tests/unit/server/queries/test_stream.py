"""Streams of events: what they tell, to whom, and what becomes of readers that do not read."""

import asyncio
import re
from collections.abc import Callable, Coroutine

import pytest

from heksher.revision_id import RevisionId
from heksher.server.catalog.catalog import Catalog
from heksher.server.catalog.query import CatalogQuery
from heksher.server.metrics import Metrics
from heksher.server.operations import rules
from heksher.server.queries import stream as module
from heksher.server.queries.stream import Streams
from heksher.server.storage.base import NOBODY
from heksher.server.storage.memory import MemoryStorage
from heksher.server.usage.client_fields import UNKNOWN_CLIENT, ClientFields
from heksher.server.usage.use_recorder import Followers
from tests.support.catalogs import FragileStorage, fill, open_fragile
from tests.support.fake_service import DEADLINE_S

BEAT = b":\n\n"
ALL = CatalogQuery()
NOBODYS = CatalogQuery(("unheard_of",))


STAMP = "0123456789ab"
FIRST = RevisionId(1)


def make_storage() -> MemoryStorage:
    """Make a storage all of whose stamps are the same."""
    return MemoryStorage(stamp=lambda: STAMP)


def event(revision: int) -> bytes:
    return b'event: change\nid: %d-%b\ndata: {"revision":%d}\n\n' % (revision, STAMP.encode(), revision)


class Connection:
    """A client's connection.

    Attributes:
        messages: what was sent.
        taking: while this is not set, nothing is taken.
        is_blocked: set once something was not taken.
        is_aborted: whether it was closed at once.
    """

    def __init__(self) -> None:
        self.messages: list[dict] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.is_blocked = asyncio.Event()
        self.is_aborted = False
        self._is_gone = asyncio.Event()
        self._news = asyncio.Condition()

    async def send(self, message: dict) -> None:
        if not self.taking.is_set():
            self.is_blocked.set()
        await self.taking.wait()
        async with self._news:
            self.messages.append(message)
            self._news.notify_all()
        if message["type"] == "http.response.body" and not message["more_body"]:
            self._is_gone.set()

    async def receive(self) -> dict:
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    def abort(self) -> None:
        self.is_aborted = True
        self._is_gone.set()

    def leave(self) -> None:
        """Go; what is sent then waits for nobody."""
        self._is_gone.set()
        self.taking.set()

    def half_close(self) -> None:
        """Send nothing more, and take what comes or not."""
        self._is_gone.set()

    @property
    def chunks(self) -> list[bytes]:
        """What the client has read; not the start of the answer."""
        return [message["body"] for message in self.messages[1:]]

    async def expect(self, count: int) -> list[bytes]:
        """Wait until so many chunks have come; return them all."""
        async with self._news, asyncio.timeout(DEADLINE_S):
            await self._news.wait_for(lambda: len(self.messages) > count)
        return self.chunks


class Scene:
    """Streams on a catalog at revision 1, with the clients that have opened one."""

    def __init__(self) -> None:
        self.storage: FragileStorage = open_fragile(make_storage())
        self.catalog = Catalog(self.storage, 1_000_000)
        self.catalog.load()
        self.metrics = Metrics()
        self.streams = Streams(self.catalog, self.metrics)
        self.tasks: list[asyncio.Task[None]] = []

    def open(
        self,
        query: CatalogQuery = ALL,
        last_revision: RevisionId | None = FIRST,
        *,
        can_abort: bool = True,
        client: ClientFields = UNKNOWN_CLIENT,
    ) -> Connection:
        connection = Connection()
        abort = connection.abort if can_abort else None
        key = repr(query).encode()
        serving = self.streams.serve(
            connection.receive, connection.send, key, query, last_revision, abort, client=client
        )
        self.tasks.append(asyncio.create_task(serving))
        return connection

    def write(self, user: str) -> None:
        """Add a rule with a condition on a user."""
        rules.add(self.storage, "cache_ttl", {"user": user}, 1, {}, NOBODY)
        self.catalog.refresh()

    async def end(self) -> None:
        """Wait until all streams have ended."""
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*self.tasks)

    def read_metric(self, name: str) -> float:
        return float(re.search(rf"^heksher_{name} (\S+)$", self.metrics.render()[0].decode(), re.MULTILINE)[1])

    def count_left_overs(self) -> int:
        """Count what the streams still hold."""
        return len(self.streams._groups) + sum(map(len, self.streams._beats))


def play(act: Callable[[Scene], Coroutine[object, object, None]]) -> Scene:
    """Play a scene on an event loop of its own; what is still open in the end is closed by its client."""
    scene = Scene()

    async def run() -> None:
        await act(scene)
        for task in scene.tasks:
            task.cancel()
        await asyncio.gather(*scene.tasks, return_exceptions=True)

    asyncio.run(run())
    return scene


def test_a_stream_begins_at_once():
    """With headers that keep everybody in between from holding it back, and a heartbeat."""

    async def act(scene: Scene) -> None:
        connection = scene.open()
        assert [BEAT] == await connection.expect(1)
        start = connection.messages[0]
        assert ("http.response.start", 200) == (start["type"], start["status"])
        assert {
            b"x-content-type-options": b"nosniff",
            b"content-type": b"text/event-stream",
            b"cache-control": b"no-store",
            b"x-accel-buffering": b"no",
        } == dict(start["headers"])

    play(act)


@pytest.mark.parametrize(
    ("query", "last_revision", "expected"),
    [
        (CatalogQuery(), None, event(2)),
        (CatalogQuery(), RevisionId(0), event(2)),
        (CatalogQuery(), RevisionId(1), event(2)),
        (CatalogQuery(), RevisionId(2), BEAT),
        (CatalogQuery(), RevisionId(2, STAMP), BEAT),
        (CatalogQuery(), RevisionId(2, STAMP[::-1]), event(2)),
        (CatalogQuery(), RevisionId(3), event(2)),
        (NOBODYS, None, event(2)),
        (NOBODYS, RevisionId(1), BEAT),
        (NOBODYS, RevisionId(1, STAMP), BEAT),
        (NOBODYS, RevisionId(1, STAMP[::-1]), event(2)),
        (CatalogQuery(filters={"user": frozenset({"guest"})}), RevisionId(1), BEAT),
        (CatalogQuery(filters={"user": frozenset({"new"})}), RevisionId(1), event(2)),
    ],
)
def test_the_first_event_comes_where_something_has_changed(
    query: CatalogQuery, last_revision: RevisionId | None, expected: bytes
):
    """Since the revision that the client knows; to one that knows none, or one that is not here, it always comes."""

    async def act(scene: Scene) -> None:
        scene.write("new")
        assert [expected] == await scene.open(query, last_revision).expect(1)

    play(act)


def test_only_those_are_told_whose_answer_has_changed():
    """By names and filters."""

    async def act(scene: Scene) -> None:
        new = CatalogQuery(("cache_ttl",), {"user": frozenset({"new"})})
        connections = [scene.open(query) for query in (CatalogQuery(), new, NOBODYS, new)]
        for connection in connections:
            await connection.expect(1)
        for count, user in enumerate(("other", "new", "third"), 2):
            scene.write(user)
            await connections[0].expect(count)
        assert [BEAT, event(2), event(3), event(4)] == connections[0].chunks
        assert [[BEAT, event(3)]] * 2 == [connections[number].chunks for number in (1, 3)]
        assert [BEAT] == connections[2].chunks

    assert 5 == play(act).read_metric("stream_events_total")


def test_who_does_not_read_is_told_the_newest_only():
    """Whatever has happened meanwhile; nobody else waits for that."""

    async def act(scene: Scene) -> None:
        slow, quick = scene.open(), scene.open()
        await slow.expect(1)
        await quick.expect(1)
        slow.taking.clear()
        for number in range(2, 6):
            scene.write(f"u{number}")
            await quick.expect(number)
        slow.taking.set()
        # What was being sent, and what had become of it since.
        assert [BEAT, event(2), event(5)] == await slow.expect(3)
        assert [BEAT, *map(event, range(2, 6))] == quick.chunks

    play(act)


def test_nothing_is_sent_before_the_answer_has_begun():
    """Though something has changed meanwhile, which the first event tells of."""

    async def act(scene: Scene) -> None:
        first = scene.open()
        await first.expect(1)
        second = scene.open()
        second.taking.clear()
        scene.write("new")
        await first.expect(2)
        second.taking.set()
        assert [event(2)] == await second.expect(1)
        assert "http.response.start" == second.messages[0]["type"]

    play(act)


def test_a_restored_database_is_told_of():
    """Though its revision is lower than what was told before."""

    async def act(scene: Scene) -> None:
        connection = scene.open()
        await connection.expect(1)
        scene.write("x")
        scene.write("y")
        assert [BEAT, event(3)] == await connection.expect(2)
        scene.storage.inner = make_storage()
        scene.storage.open()
        fill(scene.storage)
        scene.catalog.refresh()
        assert event(1) == (await connection.expect(3))[-1]
        scene.write("z")
        assert event(2) == (await connection.expect(4))[-1]

    play(act)


def test_a_database_that_may_have_lost_something_is_told_of():
    """With the revision that was told before: clients that have it know it, others ask."""

    async def act(scene: Scene) -> None:
        connection = scene.open()
        await connection.expect(1)
        scene.write("x")
        assert [BEAT, event(2)] == await connection.expect(2)
        scene.catalog.doubt()
        assert event(2) == (await connection.expect(3))[-1]

    play(act)


def read_end(connection: Connection) -> int:
    """Return how many milliseconds the client is told to stay away; that is the last that it is told."""
    last = connection.messages[-1]
    assert not last["more_body"]
    return int(re.fullmatch(rb"event: end\nretry: (\d+)\ndata: {}\n\n", last["body"])[1])


def test_the_end_is_told():
    """With a moment to come back at, which is not the same for all."""

    async def act(scene: Scene) -> None:
        connections = [scene.open() for _ in range(10)]
        for connection in connections:
            await connection.expect(1)
        scene.streams.end_all()
        scene.streams.end_all()
        await scene.end()
        moments_ms = list(map(read_end, connections))
        assert all(0 <= moment_ms < 5000 for moment_ms in moments_ms)
        assert len(set(moments_ms)) > 1
        assert {2} == {len(connection.chunks) for connection in connections}

    scene = play(act)
    assert (True, 0, 0) == (scene.streams.is_ending, scene.count_left_overs(), scene.read_metric("streams"))


def test_the_end_is_told_to_who_is_still_reading_something_else():
    """It is the next that is sent."""

    async def act(scene: Scene) -> None:
        connection = scene.open()
        await connection.expect(1)
        connection.taking.clear()
        scene.write("new")
        await connection.is_blocked.wait()
        scene.streams.end_all()
        asyncio.get_running_loop().call_soon(connection.taking.set)
        await scene.end()
        assert [BEAT, event(2)] == connection.chunks[:2]
        read_end(connection)

    play(act)


def test_a_stream_that_comes_too_late_ends_at_once():
    """The service has begun to end while its query was being answered."""

    async def act(scene: Scene) -> None:
        scene.streams.end_all()
        connection = scene.open()
        await scene.end()
        read_end(connection)

    play(act)


def test_a_loop_that_has_ended_does_not_disturb_who_writes():
    """Its streams have ended with it."""

    async def act(scene: Scene) -> None:
        await scene.open().expect(1)

    scene = play(act)
    scene.write("new")
    assert 2 == scene.catalog.load().picture.revision


def test_nothing_is_left_of_those_who_have_gone():
    """Of one after the other; the last one ends the heartbeats."""

    async def act(scene: Scene) -> None:
        connections = [scene.open(query) for query in (CatalogQuery(), CatalogQuery(), NOBODYS)]
        for connection in connections:
            await connection.expect(1)
        assert (2, 3) == (len(scene.streams._groups), scene.read_metric("streams"))
        for connection in connections:
            connection.leave()
        await scene.end()
        assert (0, 0) == (scene.count_left_overs(), scene.read_metric("streams"))
        assert scene.streams._ticking is None
        assert [BEAT] == await scene.open().expect(1)

    assert 0 == play(act).count_left_overs()


def test_streams_of_one_query_share_it():
    """However large it is, and however many there are; the last one that goes lets go of it."""

    async def act(scene: Scene) -> None:
        large = [CatalogQuery(filters={"user": frozenset(map(str, range(5000)))}) for _ in range(2)]
        connections = [scene.open(query) for query in large]
        for connection in connections:
            await connection.expect(1)
        assert large[0].measure_bytes() == scene.streams.queries.size_bytes
        connections[0].leave()
        assert large[0].measure_bytes() == scene.streams.queries.size_bytes
        connections[1].leave()
        await scene.end()
        assert 0 == scene.streams.queries.size_bytes

    play(act)


def test_who_sends_nothing_more_is_told_what_is_due():
    """Also if that was so from the beginning; then the answer ends as any other."""

    async def act(scene: Scene) -> None:
        connections = [scene.open(last_revision=None), scene.open()]
        for connection in connections:
            connection.half_close()
        await scene.end()
        assert [[event(1), b""], [BEAT, b""]] == [connection.chunks for connection in connections]
        assert [False] * 2 == [connection.messages[-1]["more_body"] for connection in connections]

    play(act)


def test_who_sends_nothing_more_and_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch):
    """As whoever goes on sending is."""
    monkeypatch.setattr(module, "_TICK_S", 0.001)
    monkeypatch.setattr(module, "MAX_BLOCKED_S", 0.01)

    async def act(scene: Scene) -> None:
        connection = scene.open()
        await connection.expect(1)
        connection.taking.clear()
        connection.half_close()
        scene.write("new")
        await scene.end()
        assert connection.is_aborted
        assert 0 == scene.count_left_overs()

    play(act)


def test_who_goes_while_something_is_sent_leaves_nothing():
    """Neither what sends it."""

    async def act(scene: Scene) -> None:
        connection = scene.open()
        await connection.expect(1)
        connection.taking.clear()
        scene.write("new")
        await connection.is_blocked.wait()
        connection.leave()
        await scene.end()
        assert {asyncio.current_task()} == {task for task in asyncio.all_tasks() if not task.cancelling()}

    play(act)


def test_heartbeats_come_all_the_time(monkeypatch: pytest.MonkeyPatch):
    """To each, also where nothing happens."""
    monkeypatch.setattr(module, "_TICK_S", 0.0005)

    async def act(scene: Scene) -> None:
        connections = [scene.open(), scene.open(NOBODYS)]
        for connection in connections:
            assert [BEAT] * 4 == (await connection.expect(4))[:4]

    play(act)


def test_heartbeats_are_spread_over_time():
    """A thousand streams are not all sent something in the same moment."""

    async def act(scene: Scene) -> None:
        for _ in range(2 * module.HEARTBEAT_S):
            await scene.open().expect(1)
        assert {2} == set(map(len, scene.streams._beats))

    play(act)


def test_who_reads_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch):
    """And counted; the others are told as ever."""
    monkeypatch.setattr(module, "_TICK_S", 0.0005)
    monkeypatch.setattr(module, "MAX_BLOCKED_S", 0.0)

    async def act(scene: Scene) -> None:
        slow, quick = scene.open(), scene.open()
        await slow.expect(1)
        slow.taking.clear()
        scene.write("new")
        async with asyncio.timeout(DEADLINE_S):
            await scene.tasks[0]
        assert slow.is_aborted
        assert not quick.is_aborted
        while event(2) not in quick.chunks:
            await quick.expect(len(quick.chunks) + 1)

    assert 1 == play(act).read_metric("streams_dropped_total")


def test_where_a_connection_cannot_be_closed_its_task_is_cancelled(monkeypatch: pytest.MonkeyPatch):
    """The server closes the connection then."""
    monkeypatch.setattr(module, "_TICK_S", 0.0005)
    monkeypatch.setattr(module, "MAX_BLOCKED_S", 0.0)

    async def act(scene: Scene) -> None:
        connection = scene.open(can_abort=False)
        await connection.expect(1)
        connection.taking.clear()
        with pytest.raises(asyncio.CancelledError):
            await scene.tasks[0]
        assert 0 == scene.count_left_overs()

    play(act)


def test_without_streams_nobody_minds():
    """Changes and the end come to nobody, before and after there was a loop."""
    scene = Scene()
    scene.write("x")
    scene.streams.end_all()

    async def act(other: Scene) -> None:
        await other.open().expect(1)

    ended = play(act)
    ended.write("y")
    ended.streams.end_all()
    assert 0 == ended.count_left_overs()


def test_it_is_known_who_follows():
    """As long as they do, by the settings that they name."""
    web, shop = (b"web/1", b""), (b"shop/2", b"instance=a")
    named = CatalogQuery(("cache_ttl",))

    async def act(scene: Scene) -> None:
        assert [] == scene.streams.list_followers()
        connections = [scene.open(named, client=web), scene.open(named, client=shop), scene.open(client=web)]
        for connection in connections:
            await connection.expect(1)
        followers = scene.streams.list_followers()
        assert {("cache_ttl",): {web, shop}, None: {web}} == {group.names: set(group.clients) for group in followers}
        for connection in connections[:2]:
            connection.leave()
        await asyncio.gather(*scene.tasks[:2])
        assert [Followers(None, [web])] == scene.streams.list_followers()

    play(act)
