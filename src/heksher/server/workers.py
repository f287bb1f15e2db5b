"""Several processes that answer on one address: a parent that only supervises, and the workers that it forks.

The workers inherit one socket and accept connections on it. So any worker can accept a waiting connection, and when a
worker ends, only the requests that it was serving are lost. The parent

* replaces each worker that ends, after a delay if it ended right after its start, and gives up when no worker stays
  alive;
* on SIGTERM and SIGINT asks all workers to stop, waits for them, and kills those that do not end in time;
* serves no requests and runs no threads: a fork copies only the calling thread, so a lock that another thread held
  would stay locked in the worker.

Two pipes connect the parent with the workers. On one, workers report that they are ready. The other is never written
to, and workers hold only its reading end: it becomes readable when the parent has ended, for whatever reason, and then
the workers end too.
"""

import logging
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from heksher.backoff import FailureRow
from heksher.exceptions import HeksherError
from heksher.server.errors import StartupError

logger: logging.Logger = logging.getLogger(__name__)

# A worker that lives less long than this, or ends before it is ready, has failed. The parent gives up after this many
# failures in a row without a worker that lives longer.
_QUICK_DEATH_S = 5.0
_MAX_FAILURES = 5
# Delay before a failed worker is replaced: after the first failure in a row, and at most.
_FIRST_DELAY_S = 0.2
_MAX_DELAY_S = 30.0
# Failures further apart than this do not count as one row.
_FORGET_FAILURES_S = 60.0

_PID = struct.Struct("=q")
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A worker's connection to its parent.

    Attributes:
        end_fd: becomes readable when the parent has ended.
        ready_fd: where a worker reports that it is ready.
    """

    end_fd: int
    ready_fd: int

    def tell_ready(self) -> None:
        """Report to the parent that this worker accepts requests."""
        os.write(self.ready_fd, _PID.pack(os.getpid()))


class Workers:
    """The workers of this process.

    Args:
        count: the number of workers.
        work: runs in each worker; returns when the worker's process gets SIGTERM, or when the parent has ended.
        when_ready: called once, in the parent, when all workers are ready.
        when_stopping: called once, in the parent, before the workers are asked to stop.
        when_ended: called with the process id of each worker that has ended.
        stop_timeout_s: how long workers may take to stop.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[Lifeline], None],
        *,
        when_ready: Callable[[], None],
        when_stopping: Callable[[], None],
        when_ended: Callable[[int], None],
        stop_timeout_s: float,
    ) -> None:
        self._count = count
        self._work = work
        self._when_ready = when_ready
        self._when_stopping = when_stopping
        self._when_ended = when_ended
        self._stop_timeout_s = stop_timeout_s
        # Start times of the living workers by process id, and the ids of those that have reported ready.
        self._started_s: dict[int, float] = {}
        self._ready: set[int] = set()
        self._is_announced = False
        # When to start each missing worker.
        self._due_s = [0.0] * count
        self._failures = FailureRow()
        self._last_failure_s = 0.0
        # Each pipe: its reading end and its writing end.
        self._end_fd, self._parent_fd = os.pipe()
        self._ready_fd, self._tell_ready_fd = os.pipe()
        self._signals_fd, self._note_signals_fd = os.pipe()

    def run(self) -> None:
        """Keep the workers alive until SIGTERM or SIGINT, then stop them.

        Raises:
            StartupError: no worker stays alive; the log has the reason.
        """
        with _noting_signals(self._note_signals_fd):
            try:
                while not self._is_to_stop(self._wait(self._next_start_s())):
                    self._handle_ended()
                    self._start_due()
            finally:
                self._when_stopping()
                self._stop()

    def _next_start_s(self) -> float | None:
        return max(0.0, min(self._due_s) - time.monotonic()) if self._due_s else None

    def _start_due(self) -> None:
        now_s = time.monotonic()
        due = [due_s for due_s in self._due_s if due_s <= now_s]
        self._due_s = [due_s for due_s in self._due_s if due_s > now_s]
        for _ in due:
            self._start()

    def _start(self) -> None:
        # A signal that arrives before the worker has its own handlers stays pending until then.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._live()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        self._started_s[pid] = time.monotonic()

    def _live(self) -> NoReturn:
        """Run the worker from the fork to the end of its process; no code of the parent may run afterwards."""
        status = 1
        try:
            self._become_worker()
            self._work(Lifeline(self._end_fd, self._tell_ready_fd))
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0
        except HeksherError as error:
            logger.error("a worker cannot go on: %s", error)  # noqa: TRY400 -- the message says it all
        except BaseException:
            logger.exception("a worker has failed")
        finally:
            os._exit(status)

    def _become_worker(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in _STOP_SIGNALS:
            signal.signal(number, _end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        os.close(self._parent_fd)
        os.close(self._ready_fd)

    def _wait(self, timeout_s: float | None) -> set[int]:
        """Wait for signals or ready workers; return the numbers of the signals received."""
        readable, _, _ = select.select([self._signals_fd, self._ready_fd], [], [], timeout_s)
        if self._ready_fd in readable:
            self._note_ready(os.read(self._ready_fd, 64 * _PID.size))
        return set(os.read(self._signals_fd, 1024)) if self._signals_fd in readable else set()

    def _note_ready(self, pids: bytes) -> None:
        self._ready.update(pid for (pid,) in _PID.iter_unpack(pids) if pid in self._started_s)
        if len(self._ready) == self._count and not self._is_announced:
            self._is_announced = True
            self._when_ready()

    def _is_to_stop(self, signals: set[int]) -> bool:
        return not signals.isdisjoint(_STOP_SIGNALS)

    def _handle_ended(self) -> None:
        """Record which workers have ended, and when to replace them."""
        for pid, status in self._reap():
            lived_s = time.monotonic() - self._started_s.pop(pid)
            is_failure = lived_s < _QUICK_DEATH_S or pid not in self._ready
            self._ready.discard(pid)
            delay_s = self._note_failure() if is_failure else 0.0
            logger.warning("worker %d has ended: %s; another one starts in %.1f s", pid, _describe(status), delay_s)
            self._due_s.append(time.monotonic() + delay_s)

    def _note_failure(self) -> float:
        """Count a failure; return the delay before the next start."""
        now_s = time.monotonic()
        if now_s - self._last_failure_s > _FORGET_FAILURES_S:
            self._failures.end()
        self._last_failure_s = now_s
        self._failures.fail()
        if self._failures.count >= _MAX_FAILURES and not self._has_well_worker(now_s):
            raise StartupError("the workers end as soon as they are started: the log says why")
        return self._failures.span_s(first_s=_FIRST_DELAY_S, longest_s=_MAX_DELAY_S)

    def _has_well_worker(self, now_s: float) -> bool:
        return any(now_s - self._started_s[pid] > _QUICK_DEATH_S for pid in self._ready)

    def _reap(self) -> Iterator[tuple[int, int]]:
        """Yield each worker that has ended, with its wait status."""
        for pid in list(self._started_s):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._when_ended(pid)
                yield pid, status

    def _stop(self) -> None:
        """Ask all workers to stop, and wait until they have ended."""
        self._send(signal.SIGTERM)
        deadline_s = time.monotonic() + self._stop_timeout_s
        while self._started_s and (left_s := deadline_s - time.monotonic()) > 0:
            # A second Ctrl-C means: do not wait for requests any longer. A second SIGTERM changes nothing.
            if signal.SIGINT in self._wait(left_s):
                self._send(signal.SIGINT)
            self._forget_ended()
        if self._started_s:
            logger.error("%d workers do not end and are killed", len(self._started_s))
            self._send(signal.SIGKILL)

    def _forget_ended(self) -> None:
        for pid, _ in self._reap():
            del self._started_s[pid]

    def _send(self, number: signal.Signals) -> None:
        for pid in self._started_s:
            os.kill(pid, number)


@contextmanager
def _noting_signals(fd: int) -> Iterator[None]:
    """Write to ``fd`` the number of each signal that stops this process or reports that a worker has ended."""
    os.set_blocking(fd, False)
    former_fd = signal.set_wakeup_fd(fd)
    former = {number: signal.signal(number, _ignore) for number in (*_STOP_SIGNALS, signal.SIGCHLD)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(former_fd)


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    """Do nothing: the number of the signal was already written to the pipe."""


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"
