"""How often somebody may try to sign in."""

import pytest

from heksher.server.sign_in import rate_limit
from heksher.server.sign_in.rate_limit import TryLimiter
from heksher.server.sign_in.sign_in_error import TooManyTriesError


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> TryLimiter:
    return TryLimiter(clock)


def test_ten_tries_a_minute_are_let_through_for_a_name_from_an_address(limiter: TryLimiter, clock: Clock):
    """The eleventh has to wait until the first one is a minute ago, whatever was tried in between."""
    for _ in range(10):
        limiter.take("alice", "10.0.0.5")
        clock.now_s += 2
    for _ in range(3):
        with pytest.raises(TooManyTriesError, match="40 s") as caught:
            limiter.take("alice", "10.0.0.5")
    assert 40 == caught.value.retry_after_s
    clock.now_s += 40
    limiter.take("alice", "10.0.0.5")
    with pytest.raises(TooManyTriesError):
        limiter.take("alice", "10.0.0.5")


def test_thirty_tries_a_minute_are_let_through_from_an_address(limiter: TryLimiter, clock: Clock):
    """By any names, and by none."""
    for number in range(20):
        limiter.take(f"name{number}", "10.0.0.5")
    for _ in range(10):
        limiter.take_for_address("10.0.0.5")
    for take in (lambda: limiter.take("new", "10.0.0.5"), lambda: limiter.take_for_address("10.0.0.5")):
        with pytest.raises(TooManyTriesError):
            take()
    limiter.take("new", "10.0.0.6")
    clock.now_s += 60
    limiter.take("new", "10.0.0.5")


def test_nobody_is_locked_out_by_others(limiter: TryLimiter):
    """However many addresses try somebody's name, who has it waits for some seconds at most."""
    for number in range(3000):
        limiter.take("alice", f"10.{number // 256}.{number % 256}.1")
    assert 5.0 == limiter.take("alice", "192.168.0.1")
    assert 0.0 == limiter.take("bob", "192.168.0.1")


def test_the_delay_of_a_name_grows(limiter: TryLimiter, clock: Clock):
    """From the sixth try on, whatever addresses they come from; and ends with the minute."""
    delays = [limiter.take("alice", f"10.0.0.{number}") for number in range(14)]
    assert [0.0] * 5 + [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0] == pytest.approx(delays)
    clock.now_s += 61
    assert 0.0 == limiter.take("alice", "10.0.0.1")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:10.0.0.5", "10.0.0.5", True),
        ("testclient", "testclient", True),
        ("", "", True),
        ("10.0.0.5", "10.0.0.6", False),
    ],
)
def test_an_address_is_all_that_its_owner_has(limiter: TryLimiter, one: str, other: str, is_same: bool):
    """Of IPv6, all that begin alike."""
    for _ in range(10):
        limiter.take("alice", one)
    assert (0 if is_same else 10) == limiter.count_left("alice", other)


def test_it_is_known_how_many_tries_are_left(limiter: TryLimiter):
    """Of the name, or of the address if those are fewer."""
    assert 10 == limiter.count_left("alice", "10.0.0.5")
    for _ in range(3):
        limiter.take("alice", "10.0.0.5")
    assert 7 == limiter.count_left("alice", "10.0.0.5")
    for number in range(25):
        limiter.take(f"name{number}", "10.0.0.5")
    assert 2 == limiter.count_left("alice", "10.0.0.5")


def test_what_is_known_is_bounded(limiter: TryLimiter, monkeypatch: pytest.MonkeyPatch):
    """Who was tried longest ago is forgotten first."""
    monkeypatch.setattr(rate_limit, "_MAX_KEYS", 3)
    for _ in range(10):
        limiter.take("alice", "10.0.0.5")
    limiter.take("bob", "10.0.0.6")
    limiter.take("carol", "10.0.0.7")
    with pytest.raises(TooManyTriesError):
        limiter.take("alice", "10.0.0.5")
    limiter.take("dan", "10.0.0.8")
    limiter.take("alice", "10.0.0.5")
