"""The file of last known values: a program that starts while the service is out of reach goes on from it.

Theory
------
The file is one line of JSON, which says what the rest is (the format and its version, when the service confirmed the
data, the rest's length and its SHA-256), and then the data (see ``saved_state``). It is replaced as a whole (see
``atomic_file``), so any number of processes may write it, and each may be killed at any moment.

Most updates say only that nothing has changed. That is noted in the file's modification time, which costs little. By
then the file may be another process's, so it is done only where the data is the same, by its checksum. A file with
other data is left alone as long as its writer goes on confirming it, and replaced when that stops. In the same way a
file that was deleted, or could not be written, is written at a later confirmation.

Whatever fails costs the file, never the program: it is logged, once when it begins and once when it has ended.
"""

import hashlib
import json
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from heksher.backoff import FailureRow
from heksher.clients.conversation.saved_state import EVERYTHING, SavedState, read_payload, write_payload
from heksher.clients.offline.atomic_file import open_regular, replace_file
from heksher.value_type import shorten

logger: logging.Logger = logging.getLogger(__name__)

# Of the data: far more than any program has, and less than what would hurt one that reads it.
DEFAULT_MAX_BYTES: Final = 64 * 1024 * 1024

FORMAT: Final = "heksher last known values"
FORMAT_VERSION: Final = 1

# How much later than the last confirmation one must be to be noted: the age need not be exact to the second.
CONFIRMATION_STEP: Final = timedelta(minutes=1)
# A file with other data that was not confirmed for so long may be overwritten.
ABANDONED_AGE_S: Final = 600

_MAX_HEADER_BYTES: Final = 1000
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class _Header(NamedTuple):
    """The first line of a file.

    Attributes:
        digest: the SHA-256 of the rest, in hexadecimal digits.
        length: the number of bytes of the rest.
    """

    saved_at: datetime
    digest: str
    length: int


class LastKnownFile:
    """A file that settings are saved in and restored from.

    No method raises for what is wrong with the file or its disk, and all of them may wait for the disk. Any number of
    objects, in any number of processes, may have the same path; the calls of one object must not overlap.

    Args:
        path: of the file, in a directory that exists. A relative one is relative to what is the current directory now,
            also later. A symbolic link is read through, but replaced by a file when written.
        max_bytes: a file whose data is larger is neither written nor read.
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path: Path = Path(path).absolute()
        self._max_bytes = max_bytes
        # What the file is to have; None before the first write or read.
        self._state: SavedState | None = None
        # The checksum of that; None also while it cannot be written down.
        self._digest: str | None = None
        # When that was last written or confirmed.
        self._noted_at = _EPOCH
        # Of writes.
        self._failures = FailureRow()

    def write(self, state: SavedState) -> None:
        """Replace the file, durably; a failure is logged, and leaves the file as it was.

        The file can be read and written by its owner alone, whatever was there before.

        Args:
            state: what to save. It must not be changed afterwards.
        """
        self._state, self._digest, self._noted_at = state, None, state.saved_at
        try:
            header, chunks = _encode(state, self._max_bytes)
            self._digest = header.digest
            replace_file(self.path, [_write_header(header), *chunks])
        # Whatever it is, the client must go on.
        except Exception as error:  # noqa: BLE001 - see above
            self._note_failure(error)
        else:
            self._note_success()

    def confirm(self, at: datetime) -> None:
        """Note that the service has said again that what was last written, or read, is current.

        Costs nothing within a minute of the last time, else usually a change of the file's modification time. The file
        is written again where it is gone, could not be written, or has other data that is not confirmed. Before the
        first write or read there is nothing to confirm, and nothing happens.

        Args:
            at: when the service said so, in UTC.
        """
        if self._state is None or abs(at - self._noted_at) < CONFIRMATION_STEP:
            return
        if self._keep(at):
            self._noted_at = at
        else:
            self.write(self._state._replace(saved_at=at))

    def read(self, service: str, context_filters: str) -> SavedState | None:
        """Return what was saved, with the later of the times at which it was written and confirmed.

        That time is never in the future: one that is (a clock was changed) does not count.

        Args:
            service: the URL of the service that the data must be of, without credentials.
            context_filters: the filters that the data must be for, as in a query. Data of all rules will do for any.

        Returns:
            The state, or ``None``: silently where there is no file, else with one warning that says why it is ignored.
        """
        try:
            with open_regular(self.path) as file:
                header = _read_header(file)
                state = _read_state(file, header, self._max_bytes)
            _require_match(state, service, context_filters)
        except FileNotFoundError:
            return None
        except (OSError, RecursionError, ValueError) as error:
            logger.warning("the file of last known values %s is ignored: %s", self.path, error)
            return None
        self._state, self._digest, self._noted_at = state, header.digest, state.saved_at
        return state

    def _keep(self, at: datetime) -> bool:
        """Return whether the file may stay as it is; note on it that its data is confirmed, if it is this object's."""
        try:
            with open_regular(self.path) as file:
                is_same = _read_header(file).digest == self._digest
                modified_ns = os.fstat(file.fileno()).st_mtime_ns
            if is_same:
                # The file may have been replaced since it was opened, but then by one of this very moment.
                os.utime(self.path, ns=(_to_ns(at), _to_ns(at)))
        except (OSError, ValueError):
            return False
        if is_same:
            self._note_success()
        return is_same or not (self._failures.count or _is_abandoned(modified_ns, at))

    def _note_failure(self, error: Exception) -> None:
        level = self._failures.fail(logging.WARNING)
        reason = str(error) or type(error).__name__
        logger.log(
            level,
            "the file of last known values %s cannot be written, settings go on without it: %s",
            self.path,
            reason,
        )

    def _note_success(self) -> None:
        if self._failures.end():
            logger.info("writing the file of last known values %s works again", self.path)


def _encode(state: SavedState, max_bytes: int) -> tuple[_Header, list[bytes]]:
    digest = hashlib.sha256()
    length = 0
    chunks = []
    for chunk in write_payload(state):
        length += len(chunk)
        _require_length(length, max_bytes)
        digest.update(chunk)
        chunks.append(chunk)
    return _Header(state.saved_at.astimezone(UTC), digest.hexdigest(), length), chunks


def _write_header(header: _Header) -> bytes:
    line = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "saved_at": header.saved_at.isoformat(),
        "bytes": header.length,
        "sha256": header.digest,
    }
    return json.dumps(line).encode() + b"\n"


def _read_header(file: BinaryIO) -> _Header:
    # Nothing of it is quoted in errors: it may be any file, also one with secrets.
    try:
        header = json.loads(file.readline(_MAX_HEADER_BYTES))
        is_ours = header["format"] == FORMAT
        version = header["version"]
    # What stands in the file decides how this fails.
    except (LookupError, RecursionError, TypeError, ValueError):
        raise ValueError("it is no file of last known values") from None
    if not is_ours:
        raise ValueError("it is no file of last known values")
    if version != FORMAT_VERSION:
        raise ValueError(f"its format has the version {shorten(repr(version))}, this program reads {FORMAT_VERSION}")
    try:
        return _Header(_read_time(header["saved_at"]), str(header["sha256"]), int(header["bytes"]))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise ValueError("its first line is damaged") from None


def _read_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.utcoffset() != timedelta(0):
        raise ValueError(f"{text} is not in UTC")
    return moment.replace(tzinfo=UTC)


def _read_state(file: BinaryIO, header: _Header, max_bytes: int) -> SavedState:
    _require_length(header.length, max_bytes)
    payload = file.read(max(0, header.length) + 1)
    if len(payload) != header.length:
        raise ValueError(f"it is damaged: its data is not {header.length} bytes long")
    if hashlib.sha256(payload).hexdigest() != header.digest:
        raise ValueError("it is damaged: its data does not have the checksum that it was written with")
    return read_payload(payload, _choose_time(header.saved_at, os.fstat(file.fileno()).st_mtime_ns))


def _require_length(length: int, max_bytes: int) -> None:
    if length > max_bytes:
        raise ValueError(f"its data is larger than the {max_bytes} bytes that are allowed")


def _require_match(state: SavedState, service: str, context_filters: str) -> None:
    if state.service != service:
        raise ValueError(f"it is of another service, {shorten(state.service)} and not {service}")
    if state.context_filters not in {EVERYTHING, context_filters}:
        saved, asked = shorten(repr(state.context_filters)), shorten(repr(context_filters))
        raise ValueError(f"it has the rules for other tracked contexts, {saved} and not {asked}")


def _choose_time(saved_at: datetime, modified_ns: int) -> datetime:
    now_ns = time.time_ns()
    now = _to_time(now_ns)
    moments = [saved_at, _to_time(modified_ns)] if 0 <= modified_ns <= now_ns else [saved_at]
    return max((moment for moment in moments if moment <= now), default=now)


def _is_abandoned(modified_ns: int, at: datetime) -> bool:
    # Another process's confirmation may be a little later than this one, but not far in the future.
    return abs(_to_ns(at) - modified_ns) / 1e9 >= ABANDONED_AGE_S


# Not by way of seconds as floats: a time that was noted is read as it was.


def _to_time(ns: int) -> datetime:
    return _EPOCH + ns // 1000 * _MICROSECOND


def _to_ns(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000
