"""What runs a ``StreamPolicy``: a task, or a thread, beside the one that updates.

Neither holds a reference to the client, so both end with it: a client that is closed or dropped ends its policy and its
requests. They are started when there is something to follow for the first time, so a client whose service has no
streams has neither.
"""

import _thread
import asyncio
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from typing import Final

from heksher.clients.conversation.event_stream import EventStreamError
from heksher.clients.conversation.stream_policy import OPENING_S, SILENCE_S, StreamPolicy
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.sender import StreamTimeouts
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.clients.wake import Wake

_TIMEOUTS: Final = StreamTimeouts(OPENING_S, SILENCE_S)

# What starts threads, when this is imported.
_START_NEW_THREAD: Final = _thread.start_new_thread

_PATCHED_LATE: Final = "gevent was patched in when the client was there already"


class StreamRunner(ABC):
    """Follows the service's changes, for one run of a client.

    Args:
        policy: decides.
    """

    def __init__(self, policy: StreamPolicy) -> None:
        self._policy = policy

    @property
    def is_streaming(self) -> bool:
        """Whether a stream is alive, and something reads it."""
        return self._policy.is_streaming and self._is_running()

    @abstractmethod
    def _is_running(self) -> bool:
        """Return whether what follows the changes is there, and can go on."""

    @property
    def problem(self) -> str | None:
        """Why there is no stream; ``None`` as for ``StreamPolicy``."""
        return self._policy.problem

    @abstractmethod
    def tend(self) -> None:
        """Start what follows, or have it look again, if that is due. To be called after each update."""

    def stop(self) -> None:
        """Follow no longer, without waiting for what is in flight to end. May be called from any thread."""
        self.abandon()

    def abandon(self) -> None:
        """Do the same in a forked child, without touching what belongs to the parent."""
        self._policy.end(time.monotonic())

    def _has_room(self, transport: AsyncTransport | ThreadTransport) -> bool:
        if not self._policy.look():
            return False
        if transport.has_room_for_stream():
            return True
        self._policy.do_without("http_client_args allows no connection beside it")
        return False


class TaskStreamRunner(StreamRunner):
    """Follows in a task. ``tend`` is to be called on the event loop.

    Args:
        policy: decides.
        transport: opens the stream.

    Attributes:
        task: ``None`` before there is something to follow.
    """

    def __init__(self, policy: StreamPolicy, transport: AsyncTransport) -> None:
        super().__init__(policy)
        self._transport = transport
        self.task: asyncio.Task[None] | None = None
        # Ends the wait for the next attempt.
        self._wake = asyncio.Event()

    def tend(self) -> None:
        if self._policy.is_hurried:
            self._wake.set()
        if not self._has_room(self._transport):
            return
        is_running = self.task is not None and not self.task.done()
        if self.task is not None and is_running and self._policy.is_outdated:
            # It ends at its next step, without a word to the policy.
            self.task.cancel()
            is_running = False
        if not is_running:
            work = _follow_in_task(self._policy, self._transport, self._wake)
            self.task = asyncio.get_running_loop().create_task(work, name="heksher stream")
            self.task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        # When another one has taken its place, the end is that of a stream which nobody misses.
        if task is self.task:
            self._policy.interrupt(time.monotonic())

    def _is_running(self) -> bool:
        return self.task is not None and not self.task.done() and self.task.get_loop().is_running()

    def stop(self) -> None:
        super().stop()
        if self.task is not None:
            # On a loop that is closed no task is left to end.
            with suppress(RuntimeError):
                self.task.get_loop().call_soon_threadsafe(self.task.cancel)


class ThreadStreamRunner(StreamRunner):
    """Follows in a thread. Thread-safe.

    Args:
        policy: decides.
        transport: opens the stream.

    Attributes:
        thread: ``None`` before there is something to follow.
        not_before_s: until then ``tend`` does nothing; a moment of ``time.monotonic()``.
    """

    def __init__(self, policy: StreamPolicy, transport: ThreadTransport) -> None:
        super().__init__(policy)
        self._transport = transport
        self.thread: threading.Thread | None = None
        self.not_before_s: float = 0.0
        # Guards that there is one thread at a time.
        self._lock = threading.Lock()
        # Ends the wait for the next attempt.
        self._wake = Wake()

    def tend(self) -> None:
        with self._lock:
            if time.monotonic() < self.not_before_s:
                return
            if self._policy.is_hurried:
                # Not each time: in a process that gevent patches late, threads that wake one another may not wake up.
                self._wake.set()
            if not self._has_room(self._transport):
                return
            if self.thread is None or not self.thread.is_alive():
                self._start()
            elif self._policy.is_outdated:
                self._transport.abort(self._policy)

    def _has_room(self, transport: AsyncTransport | ThreadTransport) -> bool:
        if not super()._has_room(transport):
            return False
        if _is_patched_late():
            self._policy.do_without(_PATCHED_LATE)
            return False
        return True

    def _is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def _start(self) -> None:
        arguments = (self._policy, self._transport, self._wake)
        self.thread = threading.Thread(target=_follow_in_thread, args=arguments, name="heksher-stream", daemon=True)
        # Where no more threads can be started, there is polling.
        with suppress(RuntimeError):
            self.thread.start()

    def stop(self) -> None:
        super().stop()
        self._wake.set()


def _is_patched_late() -> bool:
    """Return whether gevent has taken over threads since this module was imported.

    Some locks are gevent's then and others are not, and two threads that share both kinds may deadlock. So the thread
    that updates stays alone, and goes on polling; one that follows a stream by then ends when something comes in.
    """
    return _thread.start_new_thread is not _START_NEW_THREAD


async def _follow_in_task(policy: StreamPolicy, transport: AsyncTransport, wake: asyncio.Event) -> None:
    policy.resume(time.monotonic())
    while True:
        # Cleared before looking at what is due, so that no wake-up in between is lost.
        wake.clear()
        delay_s = policy.remaining(time.monotonic())
        if delay_s is None:
            return
        if delay_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await wake.wait()
        elif (request := policy.begin(time.monotonic())) is not None:
            outcome = await transport.follow(request, partial(_receive, policy), _TIMEOUTS)
            policy.conclude(outcome, time.monotonic())


def _follow_in_thread(policy: StreamPolicy, transport: ThreadTransport, wake: Wake) -> None:
    try:
        _follow_until_the_end(policy, transport, wake)
    finally:
        policy.interrupt(time.monotonic())


def _follow_until_the_end(policy: StreamPolicy, transport: ThreadTransport, wake: Wake) -> None:
    policy.resume(time.monotonic())
    while not _is_patched_late():
        wake.clear()
        delay_s = policy.remaining(time.monotonic())
        if delay_s is None:
            return
        if delay_s > 0:
            wake.wait(delay_s)
        elif (request := policy.begin(time.monotonic())) is not None:
            outcome = transport.follow(request, partial(_receive_in_thread, policy), _TIMEOUTS, policy)
            policy.conclude(outcome, time.monotonic())


def _receive_in_thread(policy: StreamPolicy, chunk: bytes) -> bool:
    if _is_patched_late():
        raise EventStreamError(_PATCHED_LATE)
    return _receive(policy, chunk)


def _receive(policy: StreamPolicy, chunk: bytes) -> bool:
    return policy.receive(chunk, time.monotonic())
