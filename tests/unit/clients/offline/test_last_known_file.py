"""The file of last known values: what is written when, and what is accepted of what is found."""

import json
import logging
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heksher.clients.conversation.saved_state import SavedState
from heksher.clients.offline.last_known_file import ABANDONED_AGE_S, CONFIRMATION_STEP, LastKnownFile
from tests.support.saved_states import SERVICE, YESTERDAY, make_state

STATE = make_state()
OTHER_STATE = make_state(8)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.last-known"


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    """Return what is logged, debugging included."""
    handler = Records()
    logger = logging.getLogger("heksher")
    logger.addHandler(handler)
    with caplog.at_level(logging.DEBUG, "heksher"):
        yield handler.records
    logger.removeHandler(handler)


def read(path: Path, service: str = SERVICE, context_filters: str = "*") -> SavedState | None:
    """Read as a process does that starts."""
    return LastKnownFile(path).read(service, context_filters)


def set_modified(path: Path, moment: datetime) -> None:
    # Exact: a second as a float has no room for microseconds of this century.
    ns = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000
    os.utime(path, ns=(ns, ns))


def write_yesterday(path: Path, state: SavedState = STATE) -> LastKnownFile:
    """Write a file, and have it look as if that had been at the time of the state."""
    file = LastKnownFile(path)
    file.write(state)
    set_modified(path, state.saved_at)
    return file


def look_at(path: Path) -> tuple[int, int, bytes]:
    """Return what changes when a file is replaced, touched or edited."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, path.read_bytes()


# ---- write and read


def test_round_trip(path: Path) -> None:
    """What was written is read again, by any process."""
    write_yesterday(path)
    assert STATE == read(path)
    write_yesterday(path, OTHER_STATE)
    assert OTHER_STATE == read(path)
    assert [path] == list(path.parent.iterdir())


def test_format(path: Path) -> None:
    """The file is a line that describes the data, then the data; it has to stay so, for other versions to read it."""
    state = make_state(saved_at=datetime(2025, 11, 22, 10, 13, 0, 250, UTC))
    text = (
        b'{"format": "heksher last known values", "version": 1, "saved_at": "2025-11-22T10:13:00.000250+00:00",'
        b' "bytes": 224, "sha256": "b9bfc2d3b91eeae393426a10cd25d4b8f46d3d7e3943393d5f2fcef773011dcb"}\n'
        b'{"service":"http://heksher.test","context_filters":"*","context_features":["environment","user"],"revision":7,'
        b'"settings":{"setting0":{"default_value":7,"rules":[{"rule_id":0,"value":7,"context_features":[["user","u0"]]}'
        b"]}}}\n"
    )
    LastKnownFile(path).write(state)
    assert text == path.read_bytes()
    set_modified(path, state.saved_at)
    assert state == read(path)


def test_mode(path: Path) -> None:
    """The file is for its owner only, whatever was there before."""
    path.write_bytes(b"")
    path.chmod(0o644)
    LastKnownFile(path).write(STATE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A relative path stays the same file when the process goes to another directory, as a daemon does."""
    monkeypatch.chdir(path.parent)
    file = LastKnownFile(path.name)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    file.write(STATE)
    assert [path] == list(path.parent.iterdir())


def test_times_of_other_zones(path: Path) -> None:
    """Times are written in UTC."""
    zone = datetime.now().astimezone(tz=None).tzinfo
    write_yesterday(path, STATE._replace(saved_at=YESTERDAY.astimezone(zone)))
    state = read(path)
    assert state is not None
    assert (YESTERDAY, timedelta(0)) == (state.saved_at, state.saved_at.utcoffset())


# ---- failures of writing


def make_full(path: Path) -> LastKnownFile:
    return LastKnownFile(path, max_bytes=100)


def make_homeless(path: Path) -> LastKnownFile:
    return LastKnownFile(path / "no such directory" / "file")


def make_directory(path: Path) -> LastKnownFile:
    path.mkdir()
    return LastKnownFile(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_full, "its data is larger than the 100 bytes that are allowed"),
        (make_homeless, "No such file or directory"),
        (make_directory, "it is no regular file"),
        (lambda _: LastKnownFile("/"), "it is no regular file"),
        (lambda _: LastKnownFile("/proc/heksher"), ""),
    ],
)
def test_failure_is_logged_once(path: Path, make, reason: str, logged) -> None:
    """A write that fails raises nothing; of a row of failures, the first is a warning."""
    file = make(path)
    for state in (STATE, OTHER_STATE, STATE):
        file.write(state)
    assert [logging.WARNING, logging.DEBUG, logging.DEBUG] == [record.levelno for record in logged]
    message = logged[0].getMessage()
    assert message.startswith(
        f"the file of last known values {file.path} cannot be written, settings go on without it: "
    )
    assert reason in message


def test_value_that_is_no_json(path: Path, logged) -> None:
    """A value that could not be read again (1e400 is read as infinity) costs the file, not the program."""
    LastKnownFile(path).write(make_state(float("inf")))
    assert not path.exists()
    assert "Out of range float values are not JSON compliant" in logged[0].getMessage()


def test_bug_without_words(path: Path, logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error without a text is named by its class."""

    def fail(_: int) -> None:
        raise MemoryError

    monkeypatch.setattr(os, "fsync", fail)
    LastKnownFile(path).write(STATE)
    assert logged[0].getMessage().endswith("without it: MemoryError")


def test_end_of_failures_is_logged_once(path: Path, logged) -> None:
    """When writing works again, that is logged once; a second row of failures is another one."""
    file = LastKnownFile(path / "file")
    for _ in range(2):
        file.write(STATE)
        path.mkdir()
        file.write(STATE)
        file.write(STATE)
        file.path.unlink()
        path.rmdir()
    expected = [("cannot be written", logging.WARNING), ("works again", logging.INFO)] * 2
    assert len(expected) == len(logged)
    for (text, level), record in zip(expected, logged, strict=True):
        assert text in record.getMessage()
        assert level == record.levelno


def test_failure_leaves_the_file_as_it_was(path: Path) -> None:
    """A state that is too large leaves the one before, which says how old it is."""
    write_yesterday(path)
    LastKnownFile(path, max_bytes=300).write(make_state(8, settings=10))
    assert STATE == read(path)


def test_bound_is_for_writing_and_reading(path: Path, logged) -> None:
    """What just fits can be written and read; a byte less, and it can be neither."""
    size = int(json.loads(write_and_read_header(path))["bytes"])
    LastKnownFile(path, max_bytes=size).write(STATE)
    assert LastKnownFile(path, max_bytes=size).read(SERVICE, "*") is not None
    assert [] == logged
    assert LastKnownFile(path, max_bytes=size - 1).read(SERVICE, "*") is None
    LastKnownFile(path, max_bytes=size - 1).write(STATE)
    assert [True, True] == [f"larger than the {size - 1} bytes" in record.getMessage() for record in logged]


def write_and_read_header(path: Path) -> bytes:
    LastKnownFile(path).write(STATE)
    return path.read_bytes().partition(b"\n")[0]


# ---- confirm


def test_confirmation(path: Path) -> None:
    """A confirmation moves the time of the data, and touches nothing else."""
    file = write_yesterday(path)
    inode, _, content = look_at(path)
    file.confirm(YESTERDAY + 5 * MINUTE)
    assert (inode, content) == (look_at(path)[0], look_at(path)[2])
    assert STATE._replace(saved_at=YESTERDAY + 5 * MINUTE) == read(path)


def test_confirmations_in_a_row(path: Path) -> None:
    """Confirmations cost nothing within a minute of the last one that was noted."""
    file = write_yesterday(path)
    noted = []
    for seconds in (1, 59, 60, 119, 120, 200):
        file.confirm(YESTERDAY + timedelta(seconds=seconds))
        state = read(path)
        assert state is not None
        noted.append((state.saved_at - YESTERDAY).total_seconds())
    assert [0, 0, 60, 60, 120, 200] == noted


def test_clock_that_was_set_back(path: Path) -> None:
    """After the clock was set back by more than a minute, confirmations are noted again at once."""
    file = write_yesterday(path)
    file.confirm(YESTERDAY - timedelta(hours=1))
    assert YESTERDAY.timestamp() - 3600 == pytest.approx(path.stat().st_mtime)


def test_nothing_to_confirm(path: Path) -> None:
    """Before anything was written or read, a confirmation has no meaning."""
    write_yesterday(path)
    before = look_at(path)
    LastKnownFile(path).confirm(datetime.now(UTC))
    assert before == look_at(path)


def test_confirming_what_was_read(path: Path) -> None:
    """What a process was restored from can be confirmed without being written."""
    write_yesterday(path)
    inode = path.stat().st_ino
    file = LastKnownFile(path)
    file.read(SERVICE, "*")
    file.confirm(YESTERDAY + 5 * MINUTE)
    assert STATE._replace(saved_at=YESTERDAY + 5 * MINUTE) == read(path)
    assert inode == path.stat().st_ino


def test_confirming_what_another_process_wrote(path: Path) -> None:
    """The file may be another process's, if the data is the same."""
    file = write_yesterday(path)
    write_yesterday(path, STATE._replace(saved_at=YESTERDAY + MINUTE))
    inode = path.stat().st_ino
    file.confirm(YESTERDAY + 5 * MINUTE)
    assert STATE._replace(saved_at=YESTERDAY + 5 * MINUTE) == read(path)
    assert inode == path.stat().st_ino


@pytest.mark.parametrize("age_s", [-ABANDONED_AGE_S + 1, 0, ABANDONED_AGE_S - 1])
def test_other_data_is_not_confirmed(path: Path, age_s: int) -> None:
    """Other data, which its own writer goes on confirming, is neither confirmed nor replaced."""
    file = write_yesterday(path)
    write_yesterday(path, OTHER_STATE)
    at = YESTERDAY + timedelta(hours=1)
    set_modified(path, at - timedelta(seconds=age_s))
    before = look_at(path)
    file.confirm(at)
    assert before == look_at(path)


@pytest.mark.parametrize("age_s", [-ABANDONED_AGE_S, ABANDONED_AGE_S, 100 * ABANDONED_AGE_S])
def test_other_data_that_nobody_confirms(path: Path, age_s: int) -> None:
    """Other data whose writer is no more is replaced: it may be older than what this process knows."""
    file = write_yesterday(path)
    write_yesterday(path, OTHER_STATE)
    at = YESTERDAY + timedelta(hours=1)
    set_modified(path, at - timedelta(seconds=age_s))
    file.confirm(at)
    set_modified(path, YESTERDAY)
    assert STATE._replace(saved_at=at) == read(path)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"{}\n")])
def test_file_that_is_gone_is_written_again(path: Path, damage) -> None:
    """A file that was deleted, or overwritten by something else, is written again with the next confirmation."""
    file = write_yesterday(path)
    damage(path)
    file.confirm(YESTERDAY + 5 * MINUTE)
    set_modified(path, YESTERDAY)
    assert STATE._replace(saved_at=YESTERDAY + 5 * MINUTE) == read(path)


def test_failed_write_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch, logged) -> None:
    """A write that failed is tried again when the data is confirmed, at most once a minute."""
    file = write_yesterday(path)
    attempts = []

    def fail(_: int) -> None:
        attempts.append(1)
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    now = datetime.now(UTC)
    file.write(OTHER_STATE._replace(saved_at=now))
    for seconds in (30, 61, 90, 122):
        file.confirm(now + timedelta(seconds=seconds))
    assert len(attempts) == 3
    assert STATE == read(path)
    monkeypatch.undo()
    file.confirm(now + timedelta(seconds=200))
    assert [logging.WARNING, logging.DEBUG, logging.DEBUG, logging.INFO] == [record.levelno for record in logged]
    restored = read(path)
    assert restored is not None
    assert OTHER_STATE.settings == restored.settings


def test_same_data_ends_a_failure(path: Path, logged) -> None:
    """Where this process could not write, but another one has written the same, all is well."""
    file = LastKnownFile(path)
    path.mkdir()
    file.write(STATE)
    path.rmdir()
    write_yesterday(path)
    file.confirm(YESTERDAY + 5 * MINUTE)
    assert STATE._replace(saved_at=YESTERDAY + 5 * MINUTE) == read(path)
    assert "works again" in logged[-1].getMessage()


def test_data_that_cannot_be_written_down_is_nobodys(path: Path) -> None:
    """A process whose data is too large does not confirm whatever else is there."""
    write_yesterday(path)
    before = look_at(path)
    file = LastKnownFile(path, max_bytes=10)
    file.write(OTHER_STATE)
    file.confirm(YESTERDAY + 5 * MINUTE)
    assert before == look_at(path)


# ---- the time of the data


def get_time(path: Path) -> datetime:
    state = read(path)
    assert state is not None
    return state.saved_at


@pytest.mark.parametrize(
    ("modified_at", "expected"),
    [
        (YESTERDAY + MINUTE, YESTERDAY + MINUTE),
        (YESTERDAY - MINUTE, YESTERDAY),
        (YESTERDAY + timedelta(days=2), YESTERDAY),
        (datetime.fromtimestamp(0, UTC), YESTERDAY),
        (datetime(2400, 1, 1, tzinfo=UTC), YESTERDAY),
    ],
)
def test_time(path: Path, modified_at: datetime, expected: datetime) -> None:
    """The later of the written and the confirmed time counts, if it is not in the future."""
    write_yesterday(path)
    set_modified(path, modified_at)
    assert expected == get_time(path)


def test_time_written_in_the_future(path: Path) -> None:
    """A time that was written before a clock was set back does not count; if none is left, it is now."""
    future = datetime.now(UTC) + timedelta(days=1)
    LastKnownFile(path).write(make_state(saved_at=future))
    set_modified(path, YESTERDAY)
    assert YESTERDAY == get_time(path)
    set_modified(path, future)
    before = datetime.now(UTC)
    assert before <= get_time(path) <= datetime.now(UTC)


# ---- what is ignored


def check_ignored(path: Path, logged: list[logging.LogRecord], reason: str, service: str = SERVICE) -> None:
    """Check that a file is not used, and that one warning says why."""
    assert read(path, service, "a:(x)") is None
    assert [logging.WARNING] == [record.levelno for record in logged]
    message = logged[0].getMessage()
    assert message.startswith(f"the file of last known values {path} is ignored: ")
    assert reason in message


def test_absent(path: Path, logged) -> None:
    """Where there is no file, as before the first update ever, there is nothing to say."""
    assert read(path) is None
    assert read(path / "no" / "directory") is None
    assert [] == logged


def edit_header(path: Path, **changes: object) -> None:
    header, _, payload = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(header), **changes}).encode() + b"\n" + payload)


NO_SUCH_FILE = "it is no file of last known values"
NO_CHECKSUM = "it is damaged: its data does not have the checksum that it was written with"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda text: b"", NO_SUCH_FILE),
        (lambda text: b"\n", NO_SUCH_FILE),
        (lambda text: b"password\n" + text, NO_SUCH_FILE),
        (lambda text: b"[1, 2]\n", NO_SUCH_FILE),
        (lambda text: b'"format"\n', NO_SUCH_FILE),
        (lambda text: b'{"format": "zip", "version": 1}\n', NO_SUCH_FILE),
        (lambda text: b"[" * 5_000, NO_SUCH_FILE),
        (lambda text: b"\0" * len(text), NO_SUCH_FILE),
        (lambda text: text[:-1], "it is damaged: its data is not 224 bytes long"),
        (lambda text: text + b"\n", "it is damaged: its data is not 224 bytes long"),
        (lambda text: text.partition(b"\n")[0], "it is damaged: its data is not 224 bytes long"),
        (lambda text: text.replace(b'"value":7', b'"value":8'), NO_CHECKSUM),
        (lambda text: text[:-20] + b"\0" * 20, NO_CHECKSUM),
    ],
)
def test_damaged(path: Path, edit, reason: str, logged) -> None:
    """A file that is not as it was written is ignored; nothing of what may be another file is shown."""
    LastKnownFile(path).write(STATE)
    path.write_bytes(edit(path.read_bytes()))
    check_ignored(path, logged, reason)
    assert "password" not in logged[0].getMessage()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "its format has the version 2, this program reads 1"),
        ({"version": "1" * 700}, "its format has the version '11111"),
        ({"saved_at": "yesterday"}, "its first line is damaged"),
        ({"saved_at": None}, "its first line is damaged"),
        ({"saved_at": "2026-11-22T10:13:00"}, "its first line is damaged"),
        ({"saved_at": "0001-01-01T00:00:00+01:00"}, "its first line is damaged"),
        ({"bytes": None}, "its first line is damaged"),
        ({"bytes": float("inf")}, "its first line is damaged"),
        ({"bytes": -1}, "it is damaged: its data is not -1 bytes long"),
        ({"bytes": 10**15}, "its data is larger than the 67108864 bytes that are allowed"),
        ({"sha256": None}, NO_CHECKSUM),
    ],
)
def test_wrong_header(path: Path, changes: dict[str, object], reason: str, logged) -> None:
    """A first line that does not fit is said to be what is wrong."""
    LastKnownFile(path).write(STATE)
    edit_header(path, **changes)
    check_ignored(path, logged, reason)


def test_wrong_shape(path: Path, logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of another shape, though its checksum is right, is ignored with the name of what is wrong."""
    monkeypatch.setattr("heksher.clients.offline.last_known_file.write_payload", lambda _: [b'{"service":""}'])
    LastKnownFile(path).write(STATE)
    check_ignored(path, logged, "context_filters is no text: None")


def test_data_that_is_nested_deep(path: Path, logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that is nested deeper than can be shown is ignored, too."""
    data = b'{"service":"","context_filters":"*","context_features":' + b"[" * 900 + b"]" * 900 + b"}"
    monkeypatch.setattr("heksher.clients.offline.last_known_file.write_payload", lambda _: [data])
    LastKnownFile(path).write(STATE)
    check_ignored(path, logged, "")


def test_other_service(path: Path, logged) -> None:
    """Data of another service is not used."""
    LastKnownFile(path).write(STATE)
    check_ignored(path, logged, "it is of another service, http://heksher.test and not http://two", "http://two")


@pytest.mark.parametrize("saved", ["", "a:(x,y)", "a:*"])
def test_other_contexts(path: Path, saved: str, logged) -> None:
    """Data that was fetched for other tracked contexts is not used: it may lack rules."""
    LastKnownFile(path).write(STATE._replace(context_filters=saved))
    check_ignored(path, logged, f"it has the rules for other tracked contexts, '{saved}' and not 'a:(x)'")


@pytest.mark.parametrize("saved", ["*", "a:(x)"])
def test_same_contexts(path: Path, saved: str) -> None:
    """Data for the same contexts is used, and data that has all rules is used for any."""
    write_yesterday(path, STATE._replace(context_filters=saved))
    assert STATE._replace(context_filters=saved) == read(path, context_filters="a:(x)")


def test_rules_for_some_contexts_are_not_all(path: Path, logged) -> None:
    """Who wants all rules does not get some."""
    LastKnownFile(path).write(STATE._replace(context_filters="a:(x)"))
    assert read(path) is None
    assert len(logged) == 1


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_file(path: Path, make, logged) -> None:
    """What cannot be read, or might have no end, is ignored with the reason."""
    make(path)
    check_ignored(path, logged, "")


def test_ignored_file_is_not_confirmed(path: Path) -> None:
    """What was ignored is not what a later confirmation is about."""
    write_yesterday(path)
    before = look_at(path)
    file = LastKnownFile(path)
    assert file.read("http://two", "*") is None
    file.confirm(YESTERDAY + CONFIRMATION_STEP)
    assert before == look_at(path)


def test_any_damage(path: Path, logged) -> None:
    """A file cut off anywhere, or with any byte changed, is either read as it was written or ignored with a warning."""
    write_yesterday(path)
    text = path.read_bytes()
    damaged = [text[:length] for length in range(len(text))]
    damaged += [text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :] for at in range(len(text))]
    for content in damaged:
        path.write_bytes(content)
        logged.clear()
        state = read(path)
        assert (len(logged), state is None) in {(0, False), (1, True)}
        assert state is None or STATE == state._replace(saved_at=YESTERDAY)
