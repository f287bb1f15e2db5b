"""What runs a ``Following``: a task, or a thread, beside the one that updates.

Neither holds the client, so both end with it: a client that is closed or dropped ends its ``Following`` and its
requests. They are started when there is something to follow for the first time, so a client of a service without
streams has none.
"""

import _thread
import asyncio
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from typing import Final

from heksher.clients.conversation.stream_policy import OPENING_S, SILENCE_S, Following
from heksher.clients.transport.sender import Patience
from heksher.clients.transport.transport import AsyncTransport, ThreadTransport

_PATIENCE: Final = Patience(OPENING_S, SILENCE_S)

# What starts threads, when this is imported.
_START_NEW_THREAD: Final = _thread.start_new_thread


class Follower(ABC):
    """Follows the service's changes, for one run of a client.

    Args:
        following: decides.
    """

    def __init__(self, following: Following) -> None:
        self._following = following

    @property
    def is_streaming(self) -> bool:
        """Whether a stream is alive."""
        return self._following.is_streaming

    @abstractmethod
    def tend(self) -> None:
        """Begin to follow, or follow something else, if it is time for that. To be called after each update."""

    def stop(self) -> None:
        """Follow no longer, without waiting for the end of what is under way. May be called from any thread."""
        self.forsake()

    def forsake(self) -> None:
        """Do the same in a forked child, without touching what belongs to the parent."""
        self._following.end(time.monotonic())

    def _has_room(self, transport: AsyncTransport | ThreadTransport) -> bool:
        if not self._following.look():
            return False
        if transport.has_room_for_stream():
            return True
        self._following.do_without("http_client_args allows no connection beside it")
        return False


class TaskFollower(Follower):
    """Follows in a task. ``tend`` is to be called on the event loop.

    Args:
        following: decides.
        transport: opens the stream.

    Attributes:
        task: ``None`` before there is something to follow.
    """

    def __init__(self, following: Following, transport: AsyncTransport) -> None:
        super().__init__(following)
        self._transport = transport
        self.task: asyncio.Task[None] | None = None
        # Ends the wait for the next attempt.
        self._wake = asyncio.Event()

    def tend(self) -> None:
        if not self._has_room(self._transport):
            return
        is_running = self.task is not None and not self.task.done()
        if self.task is not None and is_running and self._following.is_outdated:
            # It comes to its end by itself, and has nothing more to say.
            self.task.cancel()
            is_running = False
        if not is_running:
            work = _follow_in_task(self._following, self._transport, self._wake)
            self.task = asyncio.get_running_loop().create_task(work, name="heksher stream")
        elif self._following.is_hurried:
            self._wake.set()

    def stop(self) -> None:
        super().stop()
        if self.task is not None:
            # A loop that is closed has no task to end.
            with suppress(RuntimeError):
                self.task.get_loop().call_soon_threadsafe(self.task.cancel)


class ThreadFollower(Follower):
    """Follows in a thread. Thread-safe.

    Args:
        following: decides.
        transport: opens the stream.

    Attributes:
        thread: ``None`` before there is something to follow.
        not_before_s: until then ``tend`` does nothing; a moment of ``time.monotonic()``.
    """

    def __init__(self, following: Following, transport: ThreadTransport) -> None:
        super().__init__(following)
        self._transport = transport
        self.thread: threading.Thread | None = None
        self.not_before_s: float = 0.0
        # Guards that there is one thread at a time.
        self._lock = threading.Lock()
        # Ends the wait for the next attempt.
        self._wake = threading.Event()

    def tend(self) -> None:
        with self._lock:
            if time.monotonic() < self.not_before_s or _is_patched_late() or not self._has_room(self._transport):
                return
            if self.thread is None or not self.thread.is_alive():
                self._start()
            elif self._following.is_outdated:
                self._transport.abort(self._following)
            elif self._following.is_hurried:
                # Not each time: in a process that gevent patches late, threads that wake one another may not wake up.
                self._wake.set()

    def _start(self) -> None:
        arguments = (self._following, self._transport, self._wake)
        self.thread = threading.Thread(target=_follow_in_thread, args=arguments, name="heksher-stream", daemon=True)
        # Where no more threads can be started, there is polling.
        with suppress(RuntimeError):
            self.thread.start()

    def stop(self) -> None:
        super().stop()
        self._wake.set()


def _is_patched_late() -> bool:
    """Tell whether gevent has taken over threads since this module was imported.

    Locks are of either kind then, and two threads that share some may wait for one another for ever. The one that
    updates is better off alone: it goes on polling.
    """
    return _thread.start_new_thread is not _START_NEW_THREAD


async def _follow_in_task(following: Following, transport: AsyncTransport, wake: asyncio.Event) -> None:
    while True:
        # Cleared before looking at what is to be done, so that no call falls in between.
        wake.clear()
        delay_s = following.remaining(time.monotonic())
        if delay_s is None:
            return
        if delay_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await wake.wait()
        elif (request := following.begin(time.monotonic())) is not None:
            outcome = await transport.follow(request, partial(_receive, following), _PATIENCE)
            following.conclude(outcome, time.monotonic())


def _follow_in_thread(following: Following, transport: ThreadTransport, wake: threading.Event) -> None:
    while True:
        wake.clear()
        delay_s = following.remaining(time.monotonic())
        if delay_s is None:
            return
        if delay_s > 0:
            wake.wait(delay_s)
        elif (request := following.begin(time.monotonic())) is not None:
            outcome = transport.follow(request, partial(_receive, following), _PATIENCE, following)
            following.conclude(outcome, time.monotonic())


def _receive(following: Following, chunk: bytes) -> bool:
    return following.receive(chunk, time.monotonic())
