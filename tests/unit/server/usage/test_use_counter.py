"""What was asked for since it was stored last."""

import threading

import pytest

from heksher.server.limits import MAX_CLIENTS
from heksher.server.usage import use_counter as module
from heksher.server.usage.use_counter import CountedUses, UseCounter

WEB, SHOP = (b"web/1", b"instance=a"), (b"shop/2", b"")


@pytest.fixture
def counter() -> UseCounter:
    """A counter that counts."""
    return UseCounter(is_counting=True)


def test_queries_and_clients_are_counted(counter: UseCounter):
    """Each setting with a client that asked for it, each client with the revision of its last answer."""
    counter.note(b"1", ("a", "b"), WEB, 3)
    counter.note(b"1", ("a", "b"), WEB, 4)
    counter.note(b"2", ("b", "c"), SHOP, 5)
    assert CountedUses({"a": WEB, "b": SHOP, "c": SHOP}, {WEB: 4, SHOP: 5}) == counter.take()
    assert CountedUses() == counter.take()


def test_a_client_has_the_newest_of_its_answers(counter: UseCounter):
    """Of several queries; a declaration has none."""
    counter.note(b"1", ("a",), WEB, 7)
    counter.note(b"2", ("b",), WEB, 5)
    counter.note(("c",), ("c",), WEB)
    assert {WEB: 7} == counter.take().clients


def test_a_query_for_all_needs_no_setting(counter: UseCounter):
    """Somebody who looks at everything, such as a page, would make everything look needed."""
    counter.note(b"", None, WEB, 7)
    assert CountedUses({}, {WEB: 7}) == counter.take()


def test_what_could_not_be_stored_is_noted_again(counter: UseCounter):
    """Beside what came meanwhile, which is newer."""
    counter.note(b"1", ("a", "b"), WEB, 5)
    counter.take()
    counter.note(b"2", ("b",), SHOP, 4)
    counter.note(b"3", ("c",), WEB, 4)
    counter.give_back()
    assert CountedUses({"a": WEB, "b": SHOP, "c": WEB}, {SHOP: 4, WEB: 5}) == counter.take()


def test_what_is_taken_is_unstored_until_it_is_let_go(counter: UseCounter):
    """The newest client of each setting is told, and nothing is lost by that."""
    counter.note(b"1", ("a", "b"), WEB, 3)
    assert {"a": WEB, "b": WEB} == counter.list_unstored()
    counter.take()
    counter.note(b"2", ("b", "c"), SHOP, 4)
    assert {"a": WEB, "b": SHOP, "c": SHOP} == counter.list_unstored()
    counter.let_go()
    assert {"b": SHOP, "c": SHOP} == counter.list_unstored()
    assert CountedUses({"b": SHOP, "c": SHOP}, {SHOP: 4}) == counter.take()


def test_queries_of_any_two_clients_are_told_apart(counter: UseCounter):
    """By all that they consist of, not by a digest of it."""
    fields = [(b"a", b"b"), (b"ab", b""), (b"", b"ab")]
    for number, client in enumerate(fields):
        counter.note(b"1", ("a",), client, number)
        counter.note(("a",), ("a",), client, number)
    assert {client: number for number, client in enumerate(fields)} == counter.take().clients


def test_one_that_does_not_count_notes_nothing():
    """Whatever it is told."""
    counter = UseCounter(is_counting=False)
    counter.note(b"1", ("a",), WEB, 3)
    assert CountedUses() == counter.take()


@pytest.mark.parametrize(("name", "most"), [("_MAX_USES", 10), ("_MAX_NAMES", 30), ("_MAX_BYTES", 60)])
def test_a_flood_of_queries_takes_little_memory(
    counter: UseCounter, monkeypatch: pytest.MonkeyPatch, name: str, most: int
):
    """They are summed up early, and nothing is lost."""
    monkeypatch.setattr(module, name, most)
    for number in range(1_000):
        counter.note(b"%d" % number, ("a", "b", f"{number % 7}"), WEB, number)
        assert len(counter._uses) <= 12
    assert {"a", "b", *"0123456"} == (taken := counter.take()).settings.keys()
    assert {WEB: 999} == taken.clients


def test_a_flood_of_clients_takes_little_memory(counter: UseCounter, monkeypatch: pytest.MonkeyPatch):
    """The last ones are known, as many as are stored."""
    monkeypatch.setattr(module, "_MAX_USES", 1_000)
    for number in range(MAX_CLIENTS + 5_000):
        counter.note(b"1", ("a",), (b"%d" % number, b""), 1)
    clients = counter.take().clients
    assert MAX_CLIENTS == len(clients)
    assert (b"%d" % (MAX_CLIENTS + 4_999), b"") in clients


def test_nothing_is_lost_between_threads(counter: UseCounter):
    """While others take what was noted."""
    taken: list[CountedUses] = []
    is_over = threading.Event()

    def take() -> None:
        while not is_over.is_set():
            taken.append(counter.take())

    def note(worker: int) -> None:
        for number in range(2_000):
            counter.note((worker, number), (f"{worker}.{number}",), WEB)

    workers = [threading.Thread(target=note, args=(worker,)) for worker in range(3)]
    taker = threading.Thread(target=take)
    for thread in (taker, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    is_over.set()
    taker.join()
    names = {name for counted in (*taken, counter.take()) for name in counted.settings}
    assert {f"{worker}.{number}" for worker in range(3) for number in range(2_000)} == names
