"""The answers that are kept."""

import os
import tracemalloc

import pytest

from heksher.server.catalog.answer import Answer
from heksher.server.catalog.cache import AnswerCache
from heksher.server.catalog.effect import Effect
from heksher.server.catalog.query import CatalogQuery
from heksher.server.limits import MAX_QUERY_SETTINGS

ANSWER = Answer(b"x" * 1000, ())


def measure(query: CatalogQuery, answer: Answer = ANSWER) -> int:
    """Return what a cache counts for a query with a key of one byte."""
    cache = AnswerCache(10_000_000)
    cache.put(b"a", query, answer)
    return cache.size_bytes


ONE_BYTES = measure(CatalogQuery(("a",)))


def list_keys(cache: AnswerCache) -> str:
    return "".join(key for key in "abcdefgh" if cache.get(key.encode()) is not None)


def put_all(cache: AnswerCache, keys: str) -> None:
    for key in keys:
        cache.put(key.encode(), CatalogQuery((key,)), ANSWER)


def test_an_answer_is_found_by_its_key():
    """With its query; another key has none."""
    cache = AnswerCache(10_000)
    cache.put(b"a", CatalogQuery(("a",)), ANSWER)
    slot = cache.get(b"a")
    assert (CatalogQuery(("a",)), ANSWER) == (slot.query, slot.answer)
    assert cache.get(b"b") is None


def test_an_answer_takes_the_place_of_an_earlier_one():
    """And its room."""
    cache = AnswerCache(10_000)
    put_all(cache, "aaa")
    assert (1, ONE_BYTES) == (len(cache), cache.size_bytes)


def test_the_oldest_goes_when_there_is_no_room():
    """Unless it was used since: then it stays until it is the oldest once more."""
    cache = AnswerCache(3 * ONE_BYTES)
    put_all(cache, "abc")
    cache.get(b"a").is_used = True
    put_all(cache, "d")
    assert "acd" == list_keys(cache)
    put_all(cache, "ef")
    assert "aef" == list_keys(cache)
    put_all(cache, "g")
    assert "efg" == list_keys(cache)
    assert cache.size_bytes == 3 * ONE_BYTES


def test_the_newest_goes_too_where_all_others_are_used():
    """Whatever happens, the size stays within its bound."""
    cache = AnswerCache(2 * ONE_BYTES)
    put_all(cache, "ab")
    cache.get(b"a").is_used = cache.get(b"b").is_used = True
    put_all(cache, "c")
    assert cache.size_bytes <= cache.max_bytes


def test_an_answer_that_is_too_large_is_not_kept():
    """It would push all others out."""
    cache = AnswerCache(10_000)
    put_all(cache, "a")
    cache.put(b"b", CatalogQuery(), Answer(b"x" * 5000, ()))
    assert ("a", ONE_BYTES) == (list_keys(cache), cache.size_bytes)


def test_a_query_that_is_too_large_is_not_kept():
    """However much room there is: nobody sends it twice. The largest one with names is."""
    cache = AnswerCache(100_000_000)
    cache.put(b"a", CatalogQuery(filters={"user": frozenset(map(str, range(100_000)))}), ANSWER)
    cache.put(b"b", CatalogQuery(tuple(f"{number:0255}" for number in range(MAX_QUERY_SETTINGS))), ANSWER)
    assert "b" == list_keys(cache)


def make_queries(count: int) -> list[CatalogQuery]:
    """Return queries with long lists of short values and of names."""
    return [
        query
        for number in range(count)
        for query in (
            CatalogQuery(filters={f"f{place}_{number}": frozenset(map(str, range(200))) for place in range(5)}),
            CatalogQuery(tuple(f"{number}.{place}" for place in range(500))),
            CatalogQuery(),
        )
    ]


def test_what_is_held_is_counted():
    """Queries, keys, and the forms of answers: as much as the interpreter allocates for them."""
    cache = AnswerCache(100_000_000)
    tracemalloc.start()
    try:
        for number, query in enumerate(make_queries(50)):
            key = os.urandom(1 + 100 * number)
            answer = Answer(os.urandom(20_000), ())
            cache.put(key, query, answer)
            answer.compress("gzip")
            answer.compress("zstd")
            cache.measure_anew(key)
        del key, query, answer
        allocated, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 150 == len(cache)
    assert cache.size_bytes == pytest.approx(allocated, rel=0.1)


def test_an_answer_that_has_grown_is_counted_anew():
    """Which can push others out, or itself; one that is not kept is not counted."""
    large = Answer(os.urandom(4000), ())
    cache = AnswerCache(8000 + 2 * measure(CatalogQuery()))
    cache.put(b"a", CatalogQuery(("a",)), ANSWER)
    cache.put(b"b", CatalogQuery(), large)
    before = cache.size_bytes
    large.compress("gzip")
    cache.measure_anew(b"c")
    assert before == cache.size_bytes
    cache.measure_anew(b"b")
    assert (ONE_BYTES, "a") == (cache.size_bytes, list_keys(cache))


def test_the_next_cache_has_what_did_not_change():
    """With what its answers have grown by since; the earlier cache stays as it is."""
    cache = AnswerCache(100_000)
    large = Answer(os.urandom(4000), ())
    put_all(cache, "ab")
    cache.put(b"c", CatalogQuery(("c",)), large)
    cache.get(b"c").is_used = True
    large.compress("gzip")
    carried = cache.carry_over([Effect(frozenset("b"))])
    assert ("ac", 100_000) == (list_keys(carried), carried.max_bytes)
    assert ONE_BYTES + measure(CatalogQuery(("c",)), large) == carried.size_bytes
    assert carried.get(b"c").is_used
    assert ANSWER is cache.get(b"b").answer


def test_no_room_is_no_error():
    """A service can be told to keep nothing."""
    cache = AnswerCache(0)
    put_all(cache, "ab")
    assert (0, 0) == (len(cache), cache.size_bytes)
