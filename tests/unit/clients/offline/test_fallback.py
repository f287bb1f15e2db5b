"""What there is to fall back on, and in which order."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heksher.clients.conversation.saved_state import SavedState
from heksher.clients.offline.fallback import Fallback
from heksher.exceptions import InvalidOptionError

SERVICE = "http://heksher"
BOOTSTRAP = {"settings": {"s": {"default_value": 3, "rules": []}}}


def make_state(service: str, now: datetime) -> SavedState:
    return SavedState(now, service, "*", ("a",), 7, {})


def save(path: Path) -> None:
    Fallback(path, None, SERVICE).save(make_state, is_new=True)


def test_nothing() -> None:
    """Without file and bootstrap there is nothing to find, and nothing to write."""
    fallback = Fallback(None, None, SERVICE)
    fallback.save(make_state, is_new=True)
    assert (False, False, []) == (fallback.is_kept, fallback.has_any, fallback.find("*"))


def test_the_file_comes_first(tmp_path: Path) -> None:
    """What the service said is better than what the program brought along."""
    save(tmp_path / "last-known")
    fallback = Fallback(tmp_path / "last-known", BOOTSTRAP, SERVICE)
    assert (True, True) == (fallback.is_kept, fallback.has_any)
    assert [("file", 7), ("bootstrap", None)] == [(net.source, net.state.revision) for net in fallback.find("*")]


def test_without_a_file_there_is_the_bootstrap(tmp_path: Path) -> None:
    """A file that was never written is no hindrance."""
    fallback = Fallback(tmp_path / "last-known", BOOTSTRAP, SERVICE)
    assert ["bootstrap"] == [net.source for net in fallback.find("*")]


def test_the_file_is_read_once(tmp_path: Path) -> None:
    """What was found stays found, also when the file goes away."""
    save(tmp_path / "last-known")
    fallback = Fallback(tmp_path / "last-known", None, SERVICE)
    first = fallback.find("*")
    (tmp_path / "last-known").unlink()
    assert first == fallback.find("*")


def test_another_service(tmp_path: Path) -> None:
    """Values of another service are not for this program."""
    save(tmp_path / "last-known")
    assert [] == Fallback(tmp_path / "last-known", None, "http://elsewhere").find("*")


def test_nothing_new_is_not_written_again(tmp_path: Path) -> None:
    """What is there already is only confirmed, without being made again."""
    path = tmp_path / "last-known"
    fallback = Fallback(path, None, SERVICE)
    fallback.save(lambda service, now: make_state(service, now - timedelta(hours=1)), is_new=True)
    content = path.read_bytes()
    made: list[str] = []
    fallback.save(lambda service, now: made.append(service) or make_state(service, now), is_new=False)
    assert (content, []) == (path.read_bytes(), made)
    (net,) = Fallback(path, None, SERVICE).find("*")
    assert datetime.now(UTC) - net.state.saved_at < timedelta(minutes=1)


def test_a_wrong_bootstrap() -> None:
    """A bootstrap that cannot be used is an error when the client is created."""
    with pytest.raises(InvalidOptionError, match="bootstrap cannot be used"):
        Fallback(None, {"settings": None}, SERVICE)
