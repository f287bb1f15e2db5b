"""Passwords of people."""

import threading
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from heksher.server.access import password as module
from heksher.server.access.password import hash_password, verify_password


@pytest.fixture(autouse=True)
def real_cost(monkeypatch: pytest.MonkeyPatch, real_password_hasher: PasswordHasher) -> Iterator[None]:
    """Have passwords cost here what they cost in a service."""
    monkeypatch.setattr(module, "_hasher", real_password_hasher)
    module._make_decoy.cache_clear()
    yield
    module._make_decoy.cache_clear()


def test_a_password_is_known_by_what_is_stored_of_it():
    """Which is another one each time, and does not have it."""
    first, second = hash_password("correct horse"), hash_password("correct horse")
    assert first != second
    assert "correct" not in first
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert [True, False, False] == [verify_password(first, text) for text in ("correct horse", "Correct horse", "")]


@pytest.mark.parametrize("stored", [None, "", "plain", "$argon2id$v=19$m=65536,t=3,p=4$broken"])
@pytest.mark.parametrize("password", ["", "plain"])
def test_where_nothing_fits_nobody_signs_in(stored: str | None, password: str):
    """Not even with the password of the decoy."""
    assert not verify_password(stored, password)


def test_an_unknown_name_costs_the_same(monkeypatch: pytest.MonkeyPatch):
    """One verification, with the same parameters, as for one who exists."""
    verified = []

    class Hasher:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored.rpartition("$")[0].rpartition("$")[0])
            return True

    stored = hash_password("correct horse")
    verify_password(None, "x")
    monkeypatch.setattr(module, "_hasher", Hasher())
    assert verify_password(stored, "x")
    assert not verify_password(None, "x")
    assert 2 == len(verified)
    assert verified[0] == verified[1]


def test_no_more_than_two_are_verified_at_a_time(monkeypatch: pytest.MonkeyPatch):
    """Each takes 64 MiB."""
    running, most = [0], [0]
    lock, enough = threading.Lock(), threading.Event()

    class Hasher:
        def hash(self, _password: str) -> str:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            enough.wait(0.05)
            with lock:
                running[0] -= 1
            return ""

    monkeypatch.setattr(module, "_hasher", Hasher())
    threads = [threading.Thread(target=hash_password, args=("x",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 == most[0]
