"""The Prometheus metrics of the service: the only module that names metrics.

Methods that run for each request only look up one key and increment numbers, because the objects for each pair of route
and status are created once. A *route* is the pattern of a path (``/api/v1/rules/{rule_id}``), never the path itself:
clients can make up any number of paths.

With several workers, each writes its numbers to files in one directory, and the worker that is scraped reads all files.
Counters and histograms are summed, including those of workers that have ended; ``multiprocess_mode`` says how gauges
are combined. So nothing is computed during a scrape: no worker could compute it for another one. Only cache hits, of
which there are many thousands a second, are counted in memory and added to their metric each time the catalog looks at
the database.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from heksher.revision_id import RevisionId
from heksher.server import scratch
from heksher.server.errors import StartupError
from heksher.version import __version__

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram, Metric

METRICS_PATH: Final = "/metrics"
# Name of the environment variable that the library reads; the parent of several workers sets it.
DIRECTORY_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
# From an answer out of memory to one that waits for the database as long as it is allowed to.
_BUCKETS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip

_Count = Callable[[], None]
_Observe = Callable[[float], None]


class Metrics:
    """The metrics of one process. Each process has one instance; workers create theirs after the fork.

    Thread-safe, except for ``count_hit``, which only one thread may call.

    Attributes:
        count_miss: call it for each query whose answer must be computed.
    """

    def __init__(self) -> None:
        registry = _Registry()
        counter, gauge = registry.counter, registry.gauge
        build = gauge("build_info", "Always 1; what runs is in the labels.", "livemax", ("version", "python"))
        build.labels(__version__, platform.python_version()).set(1)
        self._workers = gauge("workers", "Processes that answer.", "livesum")
        self._wanted_workers = gauge("workers_wanted", "Processes that are to answer, as configured.", "livemax")
        self._requests = counter("requests", "Requests that were answered.", ("route", "status"))
        self._durations = registry.histogram("request_seconds", "Time to the complete answer.", ("route",))
        # The functions that record a request, by route and status.
        self._notes: dict[tuple[str, int], tuple[_Count, _Observe]] = {}
        self._streams = gauge("streams", "Streams that are open.", "livesum")
        self._stream_events = counter("stream_events", "Events that were sent on streams.")
        self._dropped_streams = counter("streams_dropped", "Streams that were ended because the client did not read.")
        self._connections = gauge("connections", "Connections that are open.", "livesum")
        self._max_connections = gauge("connections_limit", "Connections that may be open.", "livesum")
        self._held_bytes = gauge("request_bytes", "Bytes of requests that are not answered yet.", "livesum")
        self._ended_connections = counter(
            "connections_ended", "Connections that were ended for what they took, or to make room.", ("reason",)
        )
        self._revision = gauge("catalog_revision", "Revision of the catalog; of several workers the lowest.", "livemin")
        self._stamp = gauge(
            "catalog_stamp",
            "Stamp of that revision as a number: services of one database have the same stamp at the same revision.",
            "livemin",
        )  # fmt: skip
        self._lost_histories = counter(
            "histories_lost", "How often changes were lost that this process had: by a restored backup, or a failover.",
        )  # fmt: skip
        self._noted_losses = 0
        self._settings = gauge("catalog_settings", "Settings in the catalog.", "livemax")
        self._rules = gauge("catalog_rules", "Rules in the catalog.", "livemax")
        self._webhooks = gauge("webhooks", "Webhooks that are on.", "livemax")
        self._failing_webhooks = gauge("webhooks_failing", "Webhooks that are on, and were not told lately.", "livemax")
        self._given_up_webhooks = counter("webhooks_given_up", "Webhooks that were switched off as they had failed.")
        self._messages = counter(
            "webhook_messages", "Attempts to send a message to a webhook.", ("webhook", "is_received")
        )
        self._proposals = _MetricsOfProposals(registry)
        self._max_settings = gauge("max_settings", "Settings that there may be before none is added.", "livemin")
        self._max_rules = gauge("max_rules", "Rules that there may be before none is added.", "livemin")
        self._ending_tokens = gauge(
            "tokens_ending", "Tokens that end within 30 days, and have not ended yet.", "livemax"
        )
        self._current = gauge(
            "catalog_current_timestamp_seconds", "When the catalog was last known to hold what the database does.",
            "livemin",
        )  # fmt: skip
        self._clients = gauge("clients", "Clients that asked this process in the last minute, or follow it.", "livesum")
        self._use_stored = gauge("usage_stored_timestamp_seconds", "When use was last stored.", "livemin")
        self._database_up = gauge("database_up", "Whether the database can be reached: 1 or 0.", "livemin")
        self._writes_possible = gauge("writes_possible", "Whether the database can be written to: 1 or 0.", "livemin")
        self._cached_answers = gauge("cache_answers", "Answers to queries that are kept.", "livesum")
        self._cached_bytes = gauge("cache_bytes", "Bytes of these answers, and of their queries.", "livesum")
        self._hits = counter("cache_hits", "Queries that were answered with a kept answer.")
        # Only one thread changes the number of hits; the lock guards the number of hits already added to the metric.
        self._hit_count = self._noted_hits = 0
        self._noting = threading.Lock()
        self.count_miss: _Count = counter("cache_misses", "Queries whose answer had to be made.").inc
        self._registry = registry

    def count_hit(self) -> None:
        """Count a query that was answered from the cache."""
        self._hit_count += 1

    def note_hits(self) -> None:
        """Add the cache hits counted so far to the metric."""
        with self._noting:
            new = self._hit_count - self._noted_hits
            self._noted_hits += new
        self._hits.inc(new)

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Record an answered request.

        Args:
            route: the pattern of its path.
            status: the status of the answer.
            seconds: the time until the answer was complete.
        """
        try:
            count, observe = self._notes[route, status]
        except KeyError:
            count, observe = self._add_notes(route, status)
        count()
        observe(seconds)

    def set_wanted_workers(self, count: int) -> None:
        """Record how many processes are to answer."""
        self._wanted_workers.set(count)

    def note_answering(self) -> None:
        """Record that this process answers: one that fails at its start never does."""
        self._workers.set(1)

    def set_tokens_ending(self, count: int) -> None:
        """Record how many tokens end soon."""
        self._ending_tokens.set(count)

    def set_webhooks(self, on: int, failing: int) -> None:
        """Record how many webhooks are on, and how many of these fail."""
        self._webhooks.set(on)
        self._failing_webhooks.set(failing)

    def count_message(self, webhook: str, *, is_received: bool) -> None:
        """Count an attempt to send a message to a webhook."""
        self._messages.labels(webhook, str(is_received).lower()).inc()

    def count_given_up_webhook(self) -> None:
        """Count a webhook that was switched off as it had failed."""
        self._given_up_webhooks.inc()

    def set_proposals(self, open_: int, overdue_s: float) -> None:
        """Record how many proposals are open, and for how long the first one that is due has been that."""
        self._proposals.open.set(open_)
        self._proposals.overdue_s.set(overdue_s)

    def count_ended_proposal(self, state: str) -> None:
        """Count a proposal that this process has applied at its time, or has found to be stale then."""
        self._proposals.ended.labels(state).inc()

    def set_streams(self, count: int) -> None:
        """Record how many streams are open in this process."""
        self._streams.set(count)

    def count_stream_events(self, count: int) -> None:
        """Count events that were sent on streams."""
        self._stream_events.inc(count)

    def count_dropped_stream(self) -> None:
        """Count a stream that was closed because its client did not read."""
        self._dropped_streams.inc()

    def set_connections(self, count: int, limit: int, held_bytes: int) -> None:
        """Record this process's connections.

        Args:
            count: how many are open.
            limit: how many may be.
            held_bytes: what they hold of requests that are not answered.
        """
        self._connections.set(count)
        self._max_connections.set(limit)
        self._held_bytes.set(held_bytes)

    def count_ended_connection(self, reason: str) -> None:
        """Count a connection that was ended for what it took, or to make room for another."""
        self._ended_connections.labels(reason).inc()

    def set_catalog(self, revision: RevisionId, settings: int, rules: int) -> None:
        """Record the size and revision of this process's catalog."""
        self._revision.set(revision.number)
        # Its 48 bits fit a number of Prometheus.
        self._stamp.set(int(revision.stamp or "0", 16))
        self._settings.set(settings)
        self._rules.set(rules)

    def set_ceilings(self, settings: int, rules: int) -> None:
        """Record how many settings and rules this process keeps at most."""
        self._max_settings.set(settings)
        self._max_rules.set(rules)

    def note_lost_histories(self, count: int) -> None:
        """Record how often this process has found so far that the database had lost changes."""
        self._lost_histories.inc(count - self._noted_losses)
        self._noted_losses = count

    def note_catalog_current(self) -> None:
        """Record that the catalog is known to match the database at this moment."""
        self._current.set(time.time())

    def note_stored_use(self, clients: int) -> None:
        """Record that it is stored at this moment what programs use, and how many clients have asked since the last."""
        self._clients.set(clients)
        self._use_stored.set(time.time())

    def set_database_up(self, is_up: bool) -> None:
        """Record whether the database can be reached."""
        self._database_up.set(is_up)

    def set_writes_possible(self, is_possible: bool) -> None:
        """Record whether the database can be written to."""
        self._writes_possible.set(is_possible)

    def set_cache(self, answers: int, size_bytes: int) -> None:
        """Record how many answers this process has cached, and their total size."""
        self._cached_answers.set(answers)
        self._cached_bytes.set(size_bytes)

    def render(self) -> tuple[bytes, str]:
        """Return the metrics of all workers in the format of Prometheus: the text and its content type.

        With several workers this reads files, so call it on a thread.
        """
        self.note_hits()
        return self._registry.render()

    def _add_notes(self, route: str, status: int) -> tuple[_Count, _Observe]:
        notes = (self._requests.labels(route, status).inc, self._durations.labels(route).observe)
        self._notes[route, status] = notes
        return notes


@contextmanager
def sharing_metrics() -> Iterator[None]:
    """Let workers that are forked inside this context report their metrics together.

    Raises:
        StartupError: there is no place for the files; the message says why.
    """
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(scratch.scratch_directory(scratch.METRICS))
        except OSError as error:
            raise StartupError(
                f"cannot make a directory for the metrics of several workers: {error};"
                " say with TMPDIR where there is room"
            ) from None
        os.environ[DIRECTORY_VARIABLE] = str(directory)
        try:
            yield
        finally:
            del os.environ[DIRECTORY_VARIABLE]


def forget_worker(pid: int) -> None:
    """Remove the gauges of a worker that has ended; its counters stay."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 -- see _Registry

    mark_process_dead(pid)  # type: ignore[no-untyped-call]  # it has no annotations


class _Registry:
    """Creates and renders metrics: the only code that uses the library."""

    def __init__(self) -> None:
        # The library decides for good, when it is imported, whether it keeps numbers in memory or in files. The parent
        # of several workers imports this module before it sets the directory for the files, so the import waits until
        # here.
        import prometheus_client  # noqa: PLC0415 -- see above
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 -- see above

        # Each creation time would be one more series that no dashboard uses.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self._library = prometheus_client
        # New metrics go to _own, and scrapes read _read. The two differ with several workers: then scrapes read files.
        self._own = self._read = prometheus_client.CollectorRegistry()
        if directory := os.environ.get(DIRECTORY_VARIABLE):
            self._read = prometheus_client.CollectorRegistry()
            self._read.register(_Workers(directory, MultiProcessCollector.merge))
        else:
            # It describes the scraped process, so with several workers each scrape would show another one.
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


class _MetricsOfProposals:
    """What is told of proposals."""

    def __init__(self, registry: _Registry) -> None:
        self.open: Gauge = registry.gauge("proposals_open", "Proposals that are open.", "livemax")
        self.overdue_s: Gauge = registry.gauge(
            "proposals_overdue_seconds", "For how long the first proposal that is due has been that.", "livemax"
        )
        self.ended: Counter = registry.counter(
            "proposals_ended", "Proposals that were applied at their time, or found to be stale then.", ("state",)
        )


class _Workers:
    """What the files of all workers say, as a collector of the library.

    Args:
        directory: where the files are.
        merge: the library's, for paths of files.
    """

    def __init__(self, directory: str, merge: "Callable[[list[str]], Iterable[Metric]]") -> None:
        self._directory = directory
        self._merge = merge

    def collect(self) -> "Iterable[Metric]":
        return self._merge(list(self._list_files()))

    def _list_files(self) -> Iterator[str]:
        for path in Path(self._directory).glob("*.db"):
            # The gauges of a worker that has ended may be removed meanwhile.
            with suppress(FileNotFoundError):
                # The library does not take a file without content: a worker is creating it, which may have been
                # stopped or killed right then.
                if path.stat().st_size:
                    yield str(path)
