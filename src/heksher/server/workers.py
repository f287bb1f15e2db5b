"""Several processes that answer on one address: a parent, which only looks after them, and workers, which it forks.

The workers accept connections on one socket, which they inherit. So a connection that nobody has accepted yet waits for
any of them, and the end of one loses nothing but what it was doing. The parent

* starts another one for each worker that ends; after a while if it ended right after its start. When none can live, it
  gives up;
* passes on SIGTERM and SIGINT, waits for all of them, and kills those that do not end in time;
* answers nothing and runs no thread: a fork copies only the thread that calls it, so locks of others would stay locked.

Two pipes connect it with the workers. On one they say that they are ready. Of the other they hold only the end to read
from, and nothing is ever written to it: when it can be read from, the parent has ended, however that came about, and
its workers end, too.
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

# A worker that lives less long, or ends before it is ready, has failed; after so many failures in a row, without a
# worker that lives longer, there is no point in going on.
_QUICK_DEATH_S = 5.0
_MAX_FAILURES = 5
# How long to wait before a worker that has failed is replaced: after the first failure of a row, and at most.
_FIRST_DELAY_S = 0.2
_MAX_DELAY_S = 30.0
# Failures that are further apart have nothing to do with each other.
_FORGET_FAILURES_S = 60.0

_PID = struct.Struct("=q")
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Lifeline:
    """What a worker has of its parent.

    Attributes:
        end_fd: can be read from when the parent has ended.
        ready_fd: where a worker says that it is ready.
    """

    end_fd: int
    ready_fd: int

    def tell_ready(self) -> None:
        """Say that this worker answers."""
        os.write(self.ready_fd, _PID.pack(os.getpid()))


class Workers:
    """The workers of this process.

    Args:
        count: how many there are to be.
        work: what each does; it ends when its process gets SIGTERM, or when the parent has ended.
        when_ready: called once, in the parent, when all workers are ready.
        when_stopping: called once, in the parent, before the workers are asked to end.
        when_ended: called with the process id of each worker that has ended.
        stop_timeout_s: how long workers may take to end.
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
        # When each living worker was started, by process id, and which of them have been ready.
        self._started_s: dict[int, float] = {}
        self._ready: set[int] = set()
        self._is_announced = False
        # When workers that are missing are to be started.
        self._due_s = [0.0] * count
        self._failures = FailureRow()
        self._last_failure_s = 0.0
        # Each pipe: the end to read from, and the end to write to.
        self._end_fd, self._parent_fd = os.pipe()
        self._ready_fd, self._tell_ready_fd = os.pipe()
        self._signals_fd, self._note_signals_fd = os.pipe()

    def run(self) -> None:
        """Keep the workers alive until SIGTERM or SIGINT, which ends them.

        Raises:
            StartupError: no worker can live; the message says so, the log says why.
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
        # A signal that comes before the worker has handlers of its own waits for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._live()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        self._started_s[pid] = time.monotonic()

    def _live(self) -> NoReturn:
        """Be a worker, from the fork to the end of the process: nothing of the parent's may go on here."""
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
        """Wait for signals or for workers that are ready; return the numbers of the signals."""
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
        """Note which workers have ended, and when they are to be replaced."""
        for pid, status in self._reap():
            lived_s = time.monotonic() - self._started_s.pop(pid)
            is_failure = lived_s < _QUICK_DEATH_S or pid not in self._ready
            self._ready.discard(pid)
            delay_s = self._note_failure() if is_failure else 0.0
            logger.warning("worker %d has ended: %s; another one starts in %.1f s", pid, _describe(status), delay_s)
            self._due_s.append(time.monotonic() + delay_s)

    def _note_failure(self) -> float:
        """Count a failure; return how long to wait before the next attempt."""
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
        """Return each worker that has ended, with its wait status."""
        for pid in list(self._started_s):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._when_ended(pid)
                yield pid, status

    def _stop(self) -> None:
        """Ask all workers to end, and wait until they have."""
        self._send(signal.SIGTERM)
        deadline_s = time.monotonic() + self._stop_timeout_s
        while self._started_s and (left_s := deadline_s - time.monotonic()) > 0:
            # Another Ctrl-C says not to wait for requests any more; another SIGTERM says nothing new.
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
    """Have the numbers of signals written down that are to end this process, or tell of the end of a worker."""
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
    """Do nothing: the number of the signal has been written down."""


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"
