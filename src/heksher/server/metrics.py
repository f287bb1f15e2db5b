"""What the service counts and measures, for Prometheus: the one place where metrics are named.

What is called for each request looks up one key and adds to numbers: the objects for each pair of route and status are
made once. So a *route* is the pattern of a path (``/api/v1/rules/{rule_id}``), never the path itself, which anybody can
invent.

Of several workers each writes its numbers to files in one directory, and whichever is asked reads them all: counters
and histograms are added up, also those of workers that have ended; gauges say in ``multiprocess_mode`` what becomes of
them. That is why nothing here is computed when it is asked for: no worker could compute it for another one. Only the
kept answers, of which there are many thousands a second, are added up first, and noted with each look at the database.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Literal

from heksher.server.errors import StartupError
from heksher.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

# The variable that the library reads; the parent of several workers sets it.
DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
# From an answer out of memory to one that waits for the database as long as it may.
_BUCKETS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip

_Count = Callable[[], None]
_Observe = Callable[[float], None]


class Metrics:
    """The metrics of one process. There is one in each; of several workers each makes its own after the fork.

    May be used by several threads, apart from ``count_hit``, which belongs to one.

    Attributes:
        count_miss: to be called for each query whose answer has to be made.
    """

    def __init__(self) -> None:
        registry = _Registry()
        counter, gauge = registry.counter, registry.gauge
        build = gauge("build_info", "Always 1; what runs is in the labels.", "livemax", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)
        gauge("workers", "Processes that answer.", "livesum").set(1)
        self._requests = counter("requests", "Requests that were answered.", ("route", "status"))
        self._durations = registry.histogram("request_seconds", "Time to the complete answer.", ("route",))
        # What notes a request with this route and status.
        self._notes: dict[tuple[str, int], tuple[_Count, _Observe]] = {}
        self._streams = gauge("streams", "Streams that are open.", "livesum")
        self._stream_events = counter("stream_events", "Events that were sent on streams.")
        self._dropped_streams = counter("streams_dropped", "Streams that were ended because the client did not read.")
        self._revision = gauge("catalog_revision", "Revision of the catalog; of several workers the lowest.", "livemin")
        self._settings = gauge("catalog_settings", "Settings in the catalog.", "livemax")
        self._rules = gauge("catalog_rules", "Rules in the catalog.", "livemax")
        self._current = gauge(
            "catalog_current_timestamp_seconds", "When the catalog was last known to hold what the database does.",
            "livemin",
        )  # fmt: skip
        self._database_up = gauge("database_up", "Whether the database can be reached: 1 or 0.", "livemin")
        self._cached_answers = gauge("cache_answers", "Answers to queries that are kept.", "livesum")
        self._cached_bytes = gauge("cache_bytes", "Bytes of the answers that are kept.", "livesum")
        self._hits = counter("cache_hits", "Queries that were answered with a kept answer.")
        # How many there have been, which one thread changes; how many of them are noted, and what guards that.
        self._hit_count = self._noted_hits = 0
        self._noting = threading.Lock()
        self.count_miss: _Count = counter("cache_misses", "Queries whose answer had to be made.").inc
        self._registry = registry

    def count_hit(self) -> None:
        """Note that a kept answer was the answer to a query."""
        self._hit_count += 1

    def note_hits(self) -> None:
        """Have the kept answers that were counted so far told to whoever asks for the metrics."""
        with self._noting:
            new = self._hit_count - self._noted_hits
            self._noted_hits += new
        self._hits.inc(new)

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Note that a request was answered.

        Args:
            route: the pattern of its path.
            status: of the answer.
            seconds: how long it took until the answer was complete.
        """
        try:
            count, observe = self._notes[route, status]
        except KeyError:
            count, observe = self._add_notes(route, status)
        count()
        observe(seconds)

    def set_streams(self, count: int) -> None:
        """Note how many streams are open in this process."""
        self._streams.set(count)

    def count_stream_events(self, count: int) -> None:
        """Note that so many events were sent on streams."""
        self._stream_events.inc(count)

    def count_dropped_stream(self) -> None:
        """Note that a stream was ended because its client did not read."""
        self._dropped_streams.inc()

    def set_catalog(self, revision: int, settings: int, rules: int) -> None:
        """Note what the catalog of this process holds now."""
        self._revision.set(revision)
        self._settings.set(settings)
        self._rules.set(rules)

    def note_catalog_current(self) -> None:
        """Note that at this moment the catalog is known to hold what the database does."""
        self._current.set(time.time())

    def set_database_up(self, is_up: bool) -> None:
        """Note whether the database can be reached."""
        self._database_up.set(is_up)

    def set_cache(self, answers: int, size_bytes: int) -> None:
        """Note how many answers are kept in this process, and how large they are together."""
        self._cached_answers.set(answers)
        self._cached_bytes.set(size_bytes)

    def render(self) -> tuple[bytes, str]:
        """Return the metrics of all workers as Prometheus reads them: the text and its content type.

        With several workers this reads some files, so it belongs on a thread.
        """
        self.note_hits()
        return self._registry.render()

    def _add_notes(self, route: str, status: int) -> tuple[_Count, _Observe]:
        notes = (self._requests.labels(route, status).inc, self._durations.labels(route).observe)
        self._notes[route, status] = notes
        return notes


@contextmanager
def sharing_metrics() -> Iterator[None]:
    """Have the workers that are forked inside of this tell their metrics together.

    Raises:
        StartupError: there is no place for the files; the message says why.
    """
    try:
        directory = TemporaryDirectory(prefix="heksher-metrics-")
    except OSError as error:
        raise StartupError(
            f"cannot make a directory for the metrics of several workers: {error}; say with TMPDIR where there is room"
        ) from None
    with directory as path:
        os.environ[DIRECTORY_VARIABLE] = path
        try:
            yield
        finally:
            del os.environ[DIRECTORY_VARIABLE]


def forget_worker(pid: int) -> None:
    """Leave out of the metrics what a worker was that has ended; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 -- see _Registry

    mark_process_dead(pid)  # type: ignore[no-untyped-call]  # it has no annotations


class _Registry:
    """Makes metrics and reads them out: the border to the library."""

    def __init__(self) -> None:
        # At its import the library decides for good whether numbers are kept in memory or in files. The parent of
        # several workers has imported this module before it says that there is a directory for them.
        import prometheus_client  # noqa: PLC0415 -- see above
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 -- see above

        # Each of them would be one more series, of which nobody makes use.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self._library = prometheus_client
        # What is made here, and what is read out: with several workers, the files instead.
        self._own = self._read = prometheus_client.CollectorRegistry()
        if directory := os.environ.get(DIRECTORY_VARIABLE):
            self._read = prometheus_client.CollectorRegistry()
            MultiProcessCollector(self._read, directory)  # type: ignore[no-untyped-call]  # it has no annotations
        else:
            # It tells of the process that is asked, so with several it would tell something else each time.
            prometheus_client.ProcessCollector(registry=self._own)

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> "Counter":
        return self._library.Counter(f"heksher_{name}", text, labels, registry=self._own)

    def gauge(
        self, name: str, text: str, mode: Literal["livesum", "livemin", "livemax"], labels: Sequence[str] = ()
    ) -> "Gauge":
        return self._library.Gauge(f"heksher_{name}", text, labels, registry=self._own, multiprocess_mode=mode)

    def histogram(self, name: str, text: str, labels: Sequence[str]) -> "Histogram":
        return self._library.Histogram(f"heksher_{name}", text, labels, registry=self._own, buckets=_BUCKETS_S)

    def render(self) -> tuple[bytes, str]:
        return self._library.generate_latest(self._read), self._library.CONTENT_TYPE_PLAIN_0_0_4
