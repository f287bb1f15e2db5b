"""When tokens were last used."""

from collections.abc import Mapping
from datetime import UTC, datetime

from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.token_uses import TokenUses

AT = datetime(2026, 11, 28, 9, 59, tzinfo=UTC)
NINE, TEN = AT.replace(minute=0), AT.replace(hour=10, minute=0)
NINE_S, TEN_S = AT.timestamp(), AT.timestamp() + 60


class NotingStorage(MemoryStorage):
    """One that keeps what it is told of uses, unless it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[dict[str, datetime]] = []
        self.is_away = False

    def note_token_uses(self, uses: Mapping[str, datetime]) -> None:
        if self.is_away:
            raise StorageUnavailableError("it is away")
        self.noted.append(dict(uses))


def test_each_hour_of_a_token_is_stored_once():
    """However often it is used, or stored."""
    storage = NotingStorage()
    uses = TokenUses(storage)
    for now_s in (NINE_S, NINE_S, TEN_S, TEN_S):
        uses.note("ci", "digest", now_s)
        uses.store()
    assert [{"ci": NINE}, {"ci": TEN}] == storage.noted


def test_a_use_holds_until_the_end_of_its_hour():
    """So long nobody need be told of another one."""
    assert TEN.timestamp() == TokenUses(NotingStorage()).note("ci", "digest", NINE_S)


def test_what_cannot_be_stored_is_stored_later():
    """With what has come since, of which the last use counts."""
    storage = NotingStorage()
    uses = TokenUses(storage)
    storage.is_away = True
    uses.note("ci", "digest", NINE_S)
    uses.note("old", "another digest", NINE_S)
    uses.store()
    uses.note("ci", "digest", TEN_S)
    uses.store()
    storage.is_away = False
    uses.store()
    assert [{"ci": TEN, "old": NINE}] == storage.noted


def test_another_token_of_the_same_name_was_used_by_itself():
    """Also in the hour in which the former one was."""
    storage = NotingStorage()
    uses = TokenUses(storage)
    for digest in ("former", "later", "later"):
        uses.note("ci", digest, NINE_S)
        uses.store()
    assert [{"ci": NINE}] * 2 == storage.noted
