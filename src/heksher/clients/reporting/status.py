"""The status of a client: for readiness checks, dashboards, and debugging.

``ClientHealth`` records the outcome of updates; ``ClientStatus`` is what it is at one moment, for the program.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from heksher.record import Record

ClientState = Literal["starting", "current", "stale", "failed", "closed"]
DataSource = Literal["defaults", "service", "file", "bootstrap"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingStatus(Record):
    """What a client knows of one setting.

    Attributes:
        is_declared: whether the service accepted the declaration, or knew the setting already.
        is_missing: whether the service was found not to have the setting, and has not accepted it since.
        rejected: what was wrong with the values, or with the declaration, that were not accepted; empty if nothing was.
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
        state: ``"starting"`` until the first update has ended; ``"current"`` when the last one succeeded; ``"stale"``
            when it failed and settings answer what they had; ``"failed"`` when there was never anything but the
            defaults in the code; ``"closed"``.
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

    def make_status(self, settings: Mapping[str, SettingStatus], is_streaming: bool = False) -> ClientStatus:
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
            settings=settings,
            is_streaming=is_streaming,
        )

    def _enter(self, state: ClientState) -> bool:
        if self._closed_at is not None or state == self._facts.state:
            return False
        self._facts = self._facts._replace(state=state, since=_now())
        return True


def _age_s(at: datetime, monotonic_s: float) -> float:
    # The monotonic clock may stop while the machine sleeps, and the system clock may be set back.
    return max((_now() - at).total_seconds(), time.monotonic() - monotonic_s)


def _now() -> datetime:
    return datetime.now(UTC)
