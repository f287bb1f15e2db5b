"""What every storage keeps of use: when settings were last asked for, by whom, and since when that is known."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from heksher.server.limits import KEEP_CLIENTS_DAYS, MAX_CLIENTS
from heksher.server.storage.base import Notes, Storage, Writer
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from tests.support.storages import SOME_CHANGE, Place, a_setting, read_revision, see_everything, see_usage, store

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
CHECKOUT = ClientRecord("checkout", "2.3", "web-1", "checkout/2.3 heksher/1.0.0", NOON, 7)
UNKNOWN = ClientRecord("", None, None, "", NOON, 0)
ODD = "\0 \ud800 'é'"


@pytest.fixture
def filled(storage: Storage) -> Storage:
    """A storage with three settings, one of which had another name."""
    store(storage, lambda writer: writer.set_context_features(["user"]))
    for setting in (a_setting("a", aliases=["old_a"]), a_setting("b"), a_setting("c")):
        store(storage, lambda writer, setting=setting: writer.add_setting(setting))
    return storage


def note(
    storage: Storage, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord] = (), now: datetime = NOON
) -> None:
    storage.note(lambda notes: notes.note_uses(uses, clients, now))


def list_uses(storage: Storage, names: Collection[str] | None = None) -> dict[str, SettingUse]:
    return storage.read(lambda reader: reader.setting_uses(names))


def list_clients(storage: Storage) -> list[ClientRecord]:
    return storage.read(lambda reader: reader.clients())


def test_nobody_counts_at_first(filled: Storage) -> None:
    """So nothing is known."""
    assert (None, {}, []) == see_usage(filled)


def test_keeps_everything(place: Place, filled: Storage) -> None:
    """Also after a restart, whatever programs call themselves."""
    odd = ClientRecord(ODD, ODD, ODD, ODD, NOON, 1)
    note(filled, {"b": SettingUse(NOON, ODD)}, [CHECKOUT, UNKNOWN, odd])
    filled.close()
    reopened = place.connect()
    reopened.open()
    storage = filled if reopened is filled else reopened
    expected = sorted([CHECKOUT, UNKNOWN, odd], key=lambda client: client.digest)
    assert (NOON, {"b": SettingUse(NOON, ODD)}, expected) == see_usage(storage)
    storage.close()


def test_times_are_in_utc(filled: Storage) -> None:
    """Those of settings to the hour, those of clients to the second."""
    at = datetime(2026, 11, 28, 23, 59, 58, 7, tzinfo=timezone(timedelta(hours=-2)))
    note(filled, {"a": SettingUse(at, "x")}, [replace(CHECKOUT, seen_at=at)], at)
    since, uses, clients = see_usage(filled)
    times = [since, uses["a"].used_at, clients[0].seen_at]
    assert ["2026-11-29T01:59:58+00:00", "2026-11-29T01:00:00+00:00", "2026-11-29T01:59:58+00:00"] == [
        time.isoformat() for time in times
    ]


def test_a_use_is_that_of_the_setting(filled: Storage) -> None:
    """Under whichever of its names it is asked for; the later one counts, and names that nobody has are ignored."""
    uses = {
        "a": SettingUse(NOON, "by its name"),
        "old_a": SettingUse(NOON + timedelta(hours=1), "by an alias"),
        "gone": SettingUse(NOON, "x"),
        "\0": SettingUse(NOON, "x"),
        "\ud800": SettingUse(NOON, "x"),
    }
    note(filled, uses)
    assert {"a": SettingUse(NOON + timedelta(hours=1), "by an alias")} == list_uses(filled)


def test_later_uses_stay(filled: Storage) -> None:
    """Processes tell of them in any order."""
    later, earlier = NOON + timedelta(hours=1), NOON - timedelta(hours=1)
    note(filled, {"a": SettingUse(NOON, "first"), "b": SettingUse(NOON, "first")}, [CHECKOUT])
    note(filled, {"a": SettingUse(later, "later"), "b": SettingUse(earlier, "earlier")})
    note(filled, {}, [replace(CHECKOUT, seen_at=earlier, revision=6)])
    assert {"a": SettingUse(later, "later"), "b": SettingUse(NOON, "first")} == list_uses(filled)
    assert [CHECKOUT] == list_clients(filled)
    note(filled, {}, [replace(CHECKOUT, seen_at=later, revision=9), replace(CHECKOUT, seen_at=NOON, revision=8)])
    assert [(later, 9)] == [(client.seen_at, client.revision) for client in list_clients(filled)]


def test_times_of_a_clock_that_was_wrong_do_not_stay(filled: Storage) -> None:
    """They are more than a day ahead; else what is known would be wrong for as long."""
    day, ahead = timedelta(days=1), timedelta(days=400)
    note(filled, {"a": SettingUse(NOON + ahead, "x"), "b": SettingUse(NOON + day, "x")}, now=NOON + ahead)
    clients = [replace(CHECKOUT, seen_at=NOON + ahead), replace(UNKNOWN, seen_at=NOON + ahead)]
    note(filled, {}, clients, NOON + ahead)
    note(filled, {"a": SettingUse(NOON, "y"), "b": SettingUse(NOON, "y")}, [CHECKOUT])
    assert {"a": SettingUse(NOON, "y"), "b": SettingUse(NOON + day, "x")} == list_uses(filled)
    assert [CHECKOUT] == list_clients(filled)


def test_a_client_that_got_no_answer_has_the_last_one_that_it_got(filled: Storage) -> None:
    """As one that is told of changes, and was answered by another process."""
    later = NOON + timedelta(hours=1)
    note(filled, {}, [CHECKOUT, replace(CHECKOUT, seen_at=NOON + timedelta(seconds=1), revision=0)])
    assert [(NOON + timedelta(seconds=1), 7)] == [(client.seen_at, client.revision) for client in list_clients(filled)]
    note(filled, {}, [replace(CHECKOUT, seen_at=later, revision=0), UNKNOWN])
    assert {(later, 7), (NOON, 0)} == {(client.seen_at, client.revision) for client in list_clients(filled)}


def test_uses_of_some_settings(filled: Storage) -> None:
    """By canonical names, of any number."""
    note(filled, {name: SettingUse(NOON, "x") for name in ("a", "b")})
    asked = ["a", "c", "old_a", "\0", *(f"x{number}" for number in range(2_000))]
    assert {"a"} == list_uses(filled, asked).keys()
    assert {} == list_uses(filled, [])


def test_a_use_is_of_a_setting_as_long_as_it_exists(filled: Storage) -> None:
    """It follows a renaming, and ends with a deletion, also if the setting comes back."""
    note(filled, {name: SettingUse(NOON, "x") for name in ("a", "b")})
    store(filled, lambda writer: writer.replace_setting("a", a_setting("d", aliases=["a"])))
    assert {"b", "d"} == list_uses(filled).keys()
    store(filled, lambda writer: writer.delete_setting("d"))
    store(filled, lambda writer: writer.add_setting(a_setting("d")))
    assert {"b"} == list_uses(filled).keys()


def test_clients_are_told_by_all_that_they_say(filled: Storage) -> None:
    """Another version, instance or library is another client."""
    others = [
        replace(CHECKOUT, version="2.4"),
        replace(CHECKOUT, instance=None),
        replace(CHECKOUT, name="web"),
        replace(CHECKOUT, user_agent="checkout/2.3 heksher/1.1.0"),
    ]
    note(filled, {}, [CHECKOUT, *others])
    assert 5 == len(list_clients(filled))


def test_clients_that_were_not_seen_for_long_are_forgotten(filled: Storage) -> None:
    """When others are noted."""
    late = NOON + timedelta(days=KEEP_CLIENTS_DAYS, seconds=1)
    note(filled, {}, [CHECKOUT])
    note(filled, {"a": SettingUse(late, "x")}, now=late)
    assert [CHECKOUT] == list_clients(filled)
    note(filled, {}, [replace(UNKNOWN, seen_at=late)], late)
    assert [""] == [client.name for client in list_clients(filled)]


def test_the_last_clients_are_kept(filled: Storage) -> None:
    """However many there are."""
    crowd = [replace(CHECKOUT, instance=f"{number}") for number in range(MAX_CLIENTS)]
    note(filled, {}, crowd)
    newer = [replace(CHECKOUT, name=f"{number}", seen_at=NOON + timedelta(seconds=1)) for number in range(2)]
    note(filled, {}, newer)
    kept = list_clients(filled)
    assert MAX_CLIENTS == len(kept)
    assert {"0", "1"} <= {client.name for client in kept}


def test_it_is_known_since_when_uses_are_counted(filled: Storage) -> None:
    """Since the first note, or the first one after a gap; what was known before stays."""
    later = NOON + timedelta(days=1)
    note(filled, {"a": SettingUse(NOON, "x")})
    note(filled, {}, now=later)
    assert NOON == see_usage(filled)[0]
    filled.note(lambda notes: notes.forget_count())
    filled.note(lambda notes: notes.forget_count())
    assert (None, {"a"}) == (see_usage(filled)[0], list_uses(filled).keys())
    note(filled, {}, now=later)
    assert later == see_usage(filled)[0]


def test_uses_are_no_changes(filled: Storage) -> None:
    """They are in no log, and make no revision; a unit sees what it has noted."""
    before = see_everything(filled)

    def work(notes: Notes) -> object:
        notes.note_uses({"a": SettingUse(NOON, "x")}, [CHECKOUT], NOON)
        return notes.counted_since(), notes.setting_uses(["a"]).keys(), notes.clients()

    assert (NOON, {"a"}, [CHECKOUT]) == filled.note(work)
    assert before == see_everything(filled)


def test_a_write_can_see_and_note_uses(filled: Storage) -> None:
    """As one whose setting is deleted asks whether it is used."""

    def work(writer: Writer) -> object:
        writer.note_uses({"a": SettingUse(NOON, "x")}, (), NOON)
        found = writer.setting_uses(["a"])
        writer.delete_setting("a")
        writer.record(SOME_CHANGE)
        return found, writer.setting_uses()

    assert ({"a": SettingUse(NOON, "x")}, {}) == filled.write(work).result
    assert 5 == read_revision(filled)
