"""The answers that are kept."""

from heksher.server.catalog.answer import Answer
from heksher.server.catalog.cache import AnswerCache
from heksher.server.catalog.effect import Effect
from heksher.server.catalog.query import CatalogQuery

ANSWER = Answer(b"x" * 1000, ())
EMPTY_SLOT_BYTES = 1027  # with a key of one byte


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
    assert (1, EMPTY_SLOT_BYTES + 1000) == (len(cache), cache.size_bytes)


def test_the_oldest_goes_when_there_is_no_room():
    """Unless it was used since: then it stays until it is the oldest once more."""
    cache = AnswerCache(3 * (EMPTY_SLOT_BYTES + 1000))
    put_all(cache, "abc")
    cache.get(b"a").is_used = True
    put_all(cache, "d")
    assert "acd" == list_keys(cache)
    put_all(cache, "ef")
    assert "aef" == list_keys(cache)
    put_all(cache, "g")
    assert "efg" == list_keys(cache)
    assert cache.size_bytes == 3 * (EMPTY_SLOT_BYTES + 1000)


def test_the_newest_goes_too_where_all_others_are_used():
    """Whatever happens, the size stays within its bound."""
    cache = AnswerCache(2 * (EMPTY_SLOT_BYTES + 1000))
    put_all(cache, "ab")
    cache.get(b"a").is_used = cache.get(b"b").is_used = True
    put_all(cache, "c")
    assert cache.size_bytes <= cache.max_bytes


def test_an_answer_that_is_too_large_is_not_kept():
    """Its query is: it would push all others out."""
    cache = AnswerCache(10_000)
    cache.put(b"a", CatalogQuery(), Answer(b"x" * 5000, ()))
    assert cache.get(b"a").answer is None
    assert EMPTY_SLOT_BYTES == cache.size_bytes


def test_the_next_cache_has_what_did_not_change():
    """The others lose their answers and their room; the earlier cache stays as it is."""
    cache = AnswerCache(10_000)
    put_all(cache, "ab")
    carried = cache.carry_over([Effect(frozenset("b"))])
    assert [ANSWER, None] == [carried.get(key).answer for key in (b"a", b"b")]
    assert (2 * EMPTY_SLOT_BYTES + 1000, 10_000) == (carried.size_bytes, carried.max_bytes)
    assert ANSWER is cache.get(b"b").answer


def test_no_room_is_no_error():
    """A service can be told to keep nothing."""
    cache = AnswerCache(0)
    put_all(cache, "ab")
    assert (0, 0) == (len(cache), cache.size_bytes)
