"""The queries that open streams hold."""

from heksher.server.catalog.query import CatalogQuery
from heksher.server.queries.held_query import HeldQueries

SMALL = CatalogQuery(("a",))


def make_large() -> CatalogQuery:
    """Return a query that takes between 8 and 16 MiB."""
    return CatalogQuery(filters={"user": frozenset(map(str, range(100_000)))})


def test_equal_queries_are_held_once():
    """Until each stream has released it."""
    held = HeldQueries()
    first = make_large()
    assert first is held.take(b"a", first) is held.take(b"a", make_large())
    size_bytes = held.size_bytes
    assert first.measure_bytes() == size_bytes
    held.release(b"a")
    assert size_bytes == held.size_bytes
    held.release(b"a")
    assert 0 == held.size_bytes
    second = make_large()
    assert second is held.take(b"a", second)


def test_there_is_room_for_some_large_queries():
    """And for any number of small ones, and of streams of those that are held."""
    held = HeldQueries()
    keys = [b"%d" % number for number in range(10)]
    taken = []
    for key in keys:
        if held.has_room(key, make_large()):
            held.take(key, make_large())
            taken.append(key)
    assert 2 <= len(taken) <= 4
    assert all(held.has_room(key, make_large()) for key in taken)
    assert not held.has_room(b"other", make_large())
    for number in range(1000):
        assert held.has_room(b"s%d" % number, SMALL)
        held.take(b"s%d" % number, SMALL)
    held.release(taken[0])
    assert held.has_room(b"other", make_large())
