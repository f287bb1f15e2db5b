"""Signing in by name and password."""

import asyncio
import threading

import pytest

from heksher.server.access.password import hash_password
from heksher.server.sign_in.password_sign_in import PasswordSignIn
from heksher.server.sign_in.rate_limit import TryLimiter
from heksher.server.sign_in.sign_in_error import TooManyTriesError, WrongPasswordError
from heksher.server.storage.access_records import PersonRecord

ALICE = PersonRecord("alice", ("read",), "hash of wonderland", epoch=3)
ELSEWHERE = PersonRecord("bob", ("read",), None, "https://login.example.com", "1")
PEOPLE = {person.name: person for person in (ALICE, ELSEWHERE)}


class Desk:
    """Signs people in, and notes what is verified, and how long is waited."""

    def __init__(self, verify=None) -> None:
        self.verified: list[tuple[str | None, str, str]] = []
        self.slept_s: list[float] = []
        self.sign_in = PasswordSignIn(PEOPLE.get, TryLimiter(), verify or self._verify, self._sleep)

    def _verify(self, stored: str | None, password: str) -> bool:
        self.verified.append((stored, password, threading.current_thread().name))
        return stored == f"hash of {password}"

    async def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.sign_in.close()


def test_the_right_password_signs_in(desk: Desk):
    """It is verified in a thread of its own kind."""
    assert ALICE is asyncio.run(desk.sign_in.sign_in("alice", "wonderland", "10.0.0.5"))
    ((_, _, thread),) = desk.verified
    assert thread.startswith("heksher-password")


@pytest.mark.parametrize(
    ("name", "password", "stored"),
    [
        ("alice", "Wonderland", ALICE.password_hash),
        ("alice", "", ALICE.password_hash),
        ("bob", "x", None),
        ("eve", "x", None),
    ],
)
def test_another_one_does_not(desk: Desk, name: str, password: str, stored: str | None):
    """It is not told what was wrong, and something is verified in any case, so that nobody can tell by the time."""
    with pytest.raises(WrongPasswordError, match=r"^name or password is wrong$") as caught:
        asyncio.run(desk.sign_in.sign_in(name, password, "10.0.0.5"))
    assert [(stored, password)] == [verified[:2] for verified in desk.verified]
    assert 9 == caught.value.tries_left


def test_who_has_no_password_cannot_sign_in_with_any():
    """Also not if the verification were wrong about it."""
    desk = Desk(lambda stored, password: True)
    with pytest.raises(WrongPasswordError):
        asyncio.run(desk.sign_in.sign_in("eve", "x", "10.0.0.5"))
    desk.sign_in.close()


def test_too_many_tries_are_not_verified(desk: Desk):
    """They would take the processor from everybody."""

    async def try_often() -> None:
        for _ in range(10):
            with pytest.raises(WrongPasswordError):
                await desk.sign_in.sign_in("alice", "x", "10.0.0.5")
        with pytest.raises(TooManyTriesError):
            await desk.sign_in.sign_in("alice", "wonderland", "10.0.0.5")

    asyncio.run(try_often())
    assert 10 == len(desk.verified)
    assert [0.1, 0.2, 0.4, 0.8, 1.6] == desk.slept_s


def test_the_event_loop_goes_on_while_passwords_are_verified():
    """Two at a time; only so many wait, and others are told to come back."""
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def verify(stored: str | None, password: str) -> bool:
        begun.release()
        assert go_on.wait(30)
        return True

    desk = Desk(verify)

    async def crowd() -> None:
        tries = [asyncio.create_task(desk.sign_in.sign_in("alice", "x", f"10.0.0.{number}")) for number in range(60)]
        done, _ = await asyncio.wait(tries, timeout=0.2)
        assert 10 == len(done)
        assert all(isinstance(task.exception(), TooManyTriesError) for task in done)
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        assert not begun.acquire(blocking=False)
        go_on.set()
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert 50 == sum(answer is ALICE for answer in answers)

    asyncio.run(crowd())
    desk.sign_in.close()


def test_a_real_password_is_verified():
    """As it is stored."""
    person = PersonRecord("carol", (), hash_password("a long enough one"))
    sign_in = PasswordSignIn({"carol": person}.get, TryLimiter())
    assert person is asyncio.run(sign_in.sign_in("carol", "a long enough one", "10.0.0.5"))
    with pytest.raises(WrongPasswordError):
        asyncio.run(sign_in.sign_in("carol", "another long one", "10.0.0.5"))
    sign_in.close()
