"""The status of a client: for readiness checks, dashboards, and debugging.

``ClientHealth`` records the outcome of updates; ``ClientStatus`` is what it is at one moment, for the program.
"""

import time
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from heksher.read_only_dict import ReadOnlyDict
from heksher.record import Record
from heksher.value_type import shorten

ClientState = Literal["starting", "current", "stale", "failed", "closed"]
DataSource = Literal["defaults", "service", "file", "bootstrap"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingStatus(Record):
    """What a client knows of one setting, or of several that have one name: whatever is wrong with any of them shows.

    Attributes:
        is_declared: whether the service accepted the declaration. One that it refused, or that failed, is tried again;
            the setting is followed all the same where the service has it.
        is_missing: whether the service was found not to have the setting, and has not accepted it since.
        rejected: what was wrong with the declaration, or with values, that were not accepted; empty if nothing was.
        is_stale: whether what the setting answers is not all of what the service said last: nothing was heard yet, a
            value was rejected, or it comes from the file of last known values or a bootstrap.
    """

    is_declared: bool
    is_missing: bool
    rejected: tuple[str, ...]
    is_stale: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientStatus(Record):
    """How a client is doing, at one moment.

    Attributes:
        state: ``"starting"`` until the first update has ended; ``"current"`` when the last one succeeded, whatever
            became of declarations; ``"stale"`` when it failed and settings answer what they had; ``"failed"`` when
            there was never anything but the defaults in the code; ``"closed"``.
        since: when that began, in UTC.
        last_success: when an update succeeded last, in UTC; ``None`` if none ever did.
        last_error: why an update failed last; ``None`` if none ever did.
        last_error_at: when that was, in UTC; ``None`` likewise.
        age_s: seconds since the service confirmed what settings answer; with values from
            the file of last known values, since it did so to the process that wrote it. ``None`` when it never did.
        revision: the service's revision of that data; ``None`` if the service does not tell.
        source: where the data comes from; ``"defaults"`` when there is none.
        settings: by name.
        is_streaming: whether the service tells of its changes now; else the client asks in its interval.
        stream_problem: why the service does not tell of its changes: it cannot, or something between it and the client
            breaks the stream; ``None`` while it tells, before that was tried, and with ``updates="poll"``.
        missing_contexts: how often a setting was read without a context feature that rules depend on: by the setting's
            name, then by feature. Such reads raised, or passed over those rules, as ``on_missing_context`` says.
        token_expires_at: when the client's token expires, in UTC; ``None`` if the service does not tell, as before the
            last 30 days.
    """

    state: ClientState
    since: datetime
    last_success: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    age_s: float | None
    revision: int | None
    source: DataSource
    settings: Mapping[str, SettingStatus]
    is_streaming: bool
    stream_problem: str | None
    missing_contexts: Mapping[str, Mapping[str, int]]
    token_expires_at: datetime | None

    def __repr__(self) -> str:
        # What there is in all is in as_dict().
        since = self.since.isoformat(timespec="seconds")
        error = (
            "" if self.state == "current" or self.last_error is None else f", last error: {shorten(self.last_error)}"
        )
        return f"<ClientStatus {self.state} since {since}, {count_settings(self.settings)} from {self.source}{error}>"


class _Facts(NamedTuple):
    """All that ``ClientHealth`` knows, but for the settings."""

    state: ClientState
    since: datetime
    source: DataSource = "defaults"
    revision: int | None = None
    last_success: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    # The moment that the age counts from, by the system clock and by the monotonic clock.
    confirmed: tuple[datetime, float] | None = None


class ClientHealth:
    """The mutable side of ``ClientStatus``. Any thread may read it; calls that change it must not overlap.

    But for ``close``, which the handler of a signal may call within any other: what is closed stays so.
    """

    def __init__(self) -> None:
        # Replaced as a whole, so that readers need no lock.
        self._facts = _Facts("starting", _now())
        # None before that.
        self._closed_at: datetime | None = None

    @property
    def state(self) -> ClientState:
        """How the client is doing."""
        return "closed" if self._closed_at else self._facts.state

    @property
    def source(self) -> DataSource:
        """Where the data comes from."""
        return self._facts.source

    def confirm(self, revision: int | None) -> None:
        """Note that the service has just said what settings answer."""
        self._facts = self._facts._replace(source="service", revision=revision, confirmed=(_now(), time.monotonic()))

    def fall_back(self, source: DataSource, confirmed_at: datetime | None, revision: int | None) -> None:
        """Note that settings answer from a file or a bootstrap, and when the service confirmed that, if it did."""
        confirmed = None
        if confirmed_at is not None:
            age_s = max(0.0, (_now() - confirmed_at).total_seconds())
            confirmed = (confirmed_at, time.monotonic() - age_s)
        self._facts = self._facts._replace(source=source, revision=revision, confirmed=confirmed)

    def succeed(self) -> bool:
        """Note a successful update; return whether the state changed."""
        self._facts = self._facts._replace(last_success=_now())
        return self._enter("current")

    def fail(self, error: str) -> bool:
        """Note a failed update; return whether the state changed."""
        self._facts = self._facts._replace(last_error=error, last_error_at=_now())
        return self._enter("failed" if self.source == "defaults" else "stale")

    def close(self) -> bool:
        """Note that the client was closed; return whether the state changed."""
        was_closed = self._closed_at is not None
        self._closed_at = self._closed_at or _now()
        return not was_closed

    def make_status(
        self,
        settings: Mapping[str, SettingStatus],
        is_streaming: bool = False,
        stream_problem: str | None = None,
        missing_contexts: Mapping[str, Mapping[str, int]] = ReadOnlyDict(),
        token_expires_at: datetime | None = None,
    ) -> ClientStatus:
        """Return the status at this moment."""
        facts = self._facts
        return ClientStatus(
            state="closed" if self._closed_at else facts.state,
            since=self._closed_at or facts.since,
            last_success=facts.last_success,
            last_error=facts.last_error,
            last_error_at=facts.last_error_at,
            age_s=None if facts.confirmed is None else _age_s(*facts.confirmed),
            revision=facts.revision,
            source=facts.source,
            settings=ReadOnlyDict(settings),
            is_streaming=is_streaming,
            stream_problem=stream_problem,
            missing_contexts=missing_contexts,
            token_expires_at=token_expires_at,
        )

    def _enter(self, state: ClientState) -> bool:
        if self._closed_at is not None or state == self._facts.state:
            return False
        self._facts = self._facts._replace(state=state, since=_now())
        return True


def combine_statuses(statuses: Iterable[tuple[str, SettingStatus]]) -> dict[str, SettingStatus]:
    """Return one status for each name; of several, what is wrong with any of them shows in it."""
    combined: dict[str, SettingStatus] = {}
    for name, status in statuses:
        known = combined.get(name, status)
        combined[name] = SettingStatus(
            is_declared=known.is_declared and status.is_declared,
            is_missing=known.is_missing or status.is_missing,
            rejected=tuple(dict.fromkeys(known.rejected + status.rejected)),
            is_stale=known.is_stale or status.is_stale,
        )
    return combined


def count_settings(settings: Sized) -> str:
    """Say how many settings there are, as the texts that ``repr()`` returns do."""
    return "1 setting" if len(settings) == 1 else f"{len(settings)} settings"


def count_by_setting(reads: Mapping[tuple[str, str], int]) -> Mapping[str, Mapping[str, int]]:
    """Return how often reads were noted, by setting and feature, as a status shows it."""
    counts: dict[str, dict[str, int]] = {}
    # list() of it is atomic: other threads go on reading.
    for (setting, feature), count in list(reads.items()):
        counts.setdefault(setting, {})[feature] = count
    return ReadOnlyDict({setting: ReadOnlyDict(features) for setting, features in counts.items()})


def _age_s(at: datetime, monotonic_s: float) -> float:
    # The monotonic clock may stop while the machine sleeps, and the system clock may be set back.
    return max((_now() - at).total_seconds(), time.monotonic() - monotonic_s)


def _now() -> datetime:
    return datetime.now(UTC)
