"""The client for programs on asyncio: sends what the session asks for, and updates in a background task."""

import asyncio
import contextlib
import logging
import math
import os
import time
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from heksher import main_client
from heksher.clients.base_client import (
    CLOSE_TIMEOUT_S,
    DEFAULT_START_TIMEOUT_S,
    RESUME_S,
    BaseHeksherClient,
    ClientPhase,
)
from heksher.clients.conversation.exchange import Flow
from heksher.clients.conversation.setting_data import SettingData
from heksher.clients.conversation.stream_policy import StreamPolicy, UpdateMode
from heksher.clients.offline.bootstrap import Bootstrap
from heksher.clients.offline.fallback import Fallback
from heksher.clients.offline.file_path import FilePath
from heksher.clients.option import StartFailure, read_limits
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.stream_runner import TaskStreamRunner
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.http_errors import as_http_error
from heksher.clients.transport.sender import DEFAULT_LIMITS
from heksher.context import OnMissingContext
from heksher.exceptions import ClientStateError, TransportError

logger: logging.Logger = logging.getLogger(__name__)

_ORPHANED = (
    "the event loop that this client was started in is closed, or in the process that this one was forked from; call"
    " set_as_main() again, in this loop"
)

T = TypeVar("T")


class _Callbacks:
    """Runs the program's functions that are coroutines. Does not hold the client, which would hold itself then.

    Attributes:
        loop: where they run; ``None`` before the start.
        tasks: those that run, which the loop holds weakly.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, callback: Coroutine[Any, Any, None]) -> None:
        """Run one; raise a ``RuntimeError`` where there is no loop to do it in."""
        if self.loop is None:
            raise RuntimeError("the client is not started")
        task = self.loop.create_task(callback, name="heksher callback")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class AsyncHeksherClient(BaseHeksherClient):
    """Keeps the settings of the process current, on the event loop in which it was started.

    Args:
        service_url: where the service is, such as ``http://heksher:80``, with credentials if it asks for them.
        update_interval: seconds from one update to the next; ``None`` for no updates but those of ``reload()``, and
            when a setting is created.
        context_features: the context features that the program knows, the most general one first.
        http_client_args: keyword arguments for the HTTP client: ``headers``, ``auth``, ``timeout``, ``verify``, …
        on_start_failure: ``"raise"`` the first update's failure from ``set_as_main``, or log it and ``"continue"``.
        start_timeout: seconds that the start may take, anew from each answer to a declaration; ``None`` for no limit
            but those of requests.
        last_known_file: a file to keep what the service said last in, and to answer from when it cannot be reached at
            the start.
        bootstrap: values, or a file with them, for a start with neither service nor such a file: the JSON that the
            service answers to a query, optionally with ``context_features``.
        max_response_bytes: how large an answer may be, decompressed.
        request_timeout: seconds that a request may take in all, whatever trickles in.
        updates: ``"auto"`` has the service tell of changes where it can, and polls where it cannot; ``"stream"`` warns
            of that; ``"poll"`` does nothing but ask once in an interval.
        on_missing_context: what a read does that lacks a context feature which rules depend on: ``"raise"`` a
            ``MissingContextError``, so that a new rule can make a running program raise; or ``"no_match"``, pass over
            those rules, and count that in ``status.missing_contexts``.

    Attributes:
        modification_lock: held while the values of settings are changed; hold it to keep them as they are.

    Raises:
        InvalidOptionError: (a ``ValueError``) an option cannot work.
        ArgumentTypeError: (a ``TypeError``) an argument is of a wrong type.

    Source: docs/reference/compatibility.md, *Clients*.
    """

    _stream_runner: TaskStreamRunner

    def __init__(
        self,
        service_url: str,
        update_interval: float | timedelta | None,
        context_features: Iterable[str],
        *,
        http_client_args: Mapping[str, Any] | None = None,
        on_start_failure: StartFailure = "raise",
        start_timeout: float | timedelta | None = DEFAULT_START_TIMEOUT_S,
        last_known_file: FilePath | None = None,
        bootstrap: "Bootstrap | None" = None,
        max_response_bytes: int = DEFAULT_LIMITS.max_response_bytes,
        request_timeout: float | timedelta = DEFAULT_LIMITS.request_timeout_s,
        updates: UpdateMode = "auto",
        on_missing_context: OnMissingContext = "raise",
    ) -> None:
        limits = read_limits(max_response_bytes, request_timeout)
        self._transport = AsyncTransport(service_url, http_client_args, limits)
        fallback = Fallback(last_known_file, bootstrap, self._transport.base_url)
        # The functions of the program that are coroutines.
        self._callbacks = _Callbacks()
        dispatcher = Dispatcher(self._callbacks.spawn)
        super().__init__(
            update_interval,
            context_features,
            on_start_failure,
            start_timeout,
            updates,
            on_missing_context,
            self._transport.base_url,
            fallback,
            dispatcher,
        )
        self._make_own_tools()

    def _make_own_tools(self) -> None:
        """Make what belongs to one loop of one process: another one gets its own."""
        self.modification_lock: asyncio.Lock = asyncio.Lock()
        # Held for a whole update: the session's flows must not run at the same time.
        self._update_lock = asyncio.Lock()
        self._wake = asyncio.Event()
        # The loop of the background task, and the task; None before the start.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def set_as_main(self) -> None:
        """Become the process's main client: declare all settings, update them, and go on doing so in the background.

        Does nothing if the client is running already. In a forked process, or when the loop that it ran in is closed,
        it starts anew.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the start failed. Nothing keeps running then, the previous main
                client is main again, and the call may be repeated.
            ClientStateError: (a ``RuntimeError``) the client is closed, or cannot follow the present main client.
            InvalidOptionError: (a ``ValueError``) ``update_interval`` is no time that can pass.
        """
        self._require_open()
        self._require_interval()
        if self._state is ClientPhase.RUNNING:
            if not self._is_orphaned():
                return
            self._make_own_tools()
            await self._transport.reset()
        previous = main_client.make_main(self)
        self._begin_run()
        self._loop = self._callbacks.loop = asyncio.get_running_loop()
        try:
            error = await self._start()
            # Another task may have closed the client meanwhile.
            self._require_open()
            if error is not None and self._must_raise():
                raise error
        except BaseException:
            self._abandon_start(previous)
            await self._transport.reset()
            raise
        self._start_task()

    async def reload(self) -> None:
        """Declare what is pending and update now; the interval starts again.

        When it returns, settings are at least as new as the call.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the update failed. A declaration that does is no failed update.
            ClientStateError: (a ``RuntimeError``) the client is not started, or closed.
        """
        self._require_running()
        error = await _do_in(self._find_home(), self._update_and_announce())
        if error is not None:
            # The background may be asleep until a later moment than the next try.
            self._wake_up()
            raise error

    async def aclose(self) -> None:
        """Stop the updates and close all connections. Settings keep their values. May be called more than once."""
        if self._state is ClientPhase.CLOSED:
            return
        self._end_run()
        main_client.restore_main(self, None)
        if self._loop is None or self._loop.is_closed():
            await self._end()
        else:
            await _do_in(self._loop, self._end())

    async def close(self) -> None:
        """Do what ``aclose`` does; deprecated."""
        warnings.warn("AsyncHeksherClient.close() is deprecated, use aclose()", DeprecationWarning, stacklevel=2)
        await self.aclose()

    async def ping(self) -> None:
        """Do nothing if the service is healthy.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) it is not, or cannot be reached.
        """
        self._require_open()
        await self._run_at_home(self._session.ping())

    async def get_settings(self) -> dict[str, SettingData]:
        """Ask the service for all settings that it has, by name.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) it does not answer as it should.
        """
        self._require_open()
        return await self._run_at_home(self._session.get_settings())

    async def __aenter__(self) -> Self:
        await self.set_as_main()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _survive_fork(self) -> None:
        """Keep answering in a forked process; ``set_as_main`` there starts again. Called by ``fork``."""
        super()._survive_fork()
        self._loop = self._task = self._callbacks.loop = None
        self._callbacks.tasks.clear()
        if self._state is ClientPhase.RUNNING:
            # Nothing updates until then, so the client must not call itself current.
            self._health.fail(_ORPHANED)
            logger.warning("in the forked process %d %s", os.getpid(), _ORPHANED)
        try:
            self._transport.reset_after_fork()
        # Whatever it is: each request tries this again.
        except Exception as error:  # noqa: BLE001 - see above
            self._note_failed_fork(error)

    def __del__(self) -> None:
        # Not there if the constructor failed.
        if getattr(self, "_run", None) is not None:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            # The task has only a weak reference; should it still get the client, it finds nothing to do.
            self._leave()
            self._wake_up()

    def _make_stream_runner(self, policy: StreamPolicy) -> TaskStreamRunner:
        return TaskStreamRunner(policy, self._transport)

    def _is_orphaned(self) -> bool:
        """Return whether the client has stopped because its loop is closed, or belongs to the parent process."""
        return self._loop is None or self._loop.is_closed()

    def _find_home(self) -> asyncio.AbstractEventLoop:
        if self._loop is None or self._loop.is_closed():
            raise ClientStateError(_ORPHANED)
        return self._loop

    async def _run_at_home(self, flow: Flow[T]) -> T:
        """Run a flow, before the start as well, where the client's connections belong."""
        if self._loop is None or self._loop.is_closed():
            return await self._transport.run(flow)
        return await _do_in(self._loop, self._transport.run(flow))

    async def _end(self) -> None:
        # A callback may be what closes the client.
        tasks = (self._task, self._stream_runner.task, *self._callbacks.tasks)
        others = [task for task in tasks if task and task is not asyncio.current_task()]
        try:
            # Nothing can wait for the tasks of a loop that is closed.
            if not self._is_orphaned() and (pending := [task for task in others if task.cancel()]):
                # Not "await task", which could not tell the task's cancellation from one of this very call.
                await asyncio.wait(pending, timeout=CLOSE_TIMEOUT_S)
        finally:
            await self._transport.close()
            self._dispatcher.drain()

    def _wake_up(self) -> None:
        if self._loop is not None:
            # A loop that is closed has no task to wake.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _start(self) -> Exception | None:
        try:
            async with asyncio.timeout(self._start_timeout_s) as limit:
                with self._session.declarations.telling_progress(self._make_extension(limit)):
                    return await self._update_and_announce()
        except TimeoutError as timeout:
            error = as_http_error(TransportError(f"the start took longer than {self._start_timeout_s} s", timeout))
            await self._fall_back_aside()
            concluded = self._conclude(self._run, time.monotonic(), error)
            self._announce(concluded)
            return concluded

    def _make_extension(self, limit: asyncio.Timeout) -> Callable[[], object]:
        """Make what starts a time limit anew; it may be called from any thread."""
        loop, timeout_s = asyncio.get_running_loop(), self._start_timeout_s

        def reschedule() -> None:
            # The start may be over by now.
            with contextlib.suppress(RuntimeError):
                limit.reschedule(None if timeout_s is None else loop.time() + timeout_s)

        return partial(loop.call_soon_threadsafe, reschedule)

    async def _update_and_announce(self, now_s: float = math.inf) -> Exception | None:
        """Update once, after any update under way, and tell the program; return why it failed, or ``None``.

        Args:
            now_s: declarations that failed are tried again if they are due by then; infinity for all of them.
        """
        async with self._update_lock:
            run = self._run
            error = await self._update(now_s)
            error = self._conclude(run, time.monotonic(), error)
        self._announce(error)
        return error

    async def _update(self, now_s: float) -> Exception | None:
        self._schedule.begin()
        try:
            update = await self._transport.run(self._session.update(now_s))
            async with self.modification_lock:
                self._publish(update)
            if self._fallback.is_kept:
                await asyncio.to_thread(self._keep, update)
        # Also unforeseen errors: the loop must go on.
        except Exception as failure:  # noqa: BLE001 - see above
            await self._fall_back_aside()
            return failure
        return None

    async def _fall_back_aside(self) -> None:
        # Reads files, and what is in them may be large.
        if self._fallback.has_any:
            await asyncio.to_thread(self._fall_back)

    def _start_task(self) -> None:
        self._task = asyncio.create_task(_update_periodically(weakref.ref(self), self._wake), name="heksher updates")

    async def _tend(self) -> float | None:
        """Update if that is due; return the seconds until it is again, or ``None`` when there is nothing more to do."""
        if self._run is None:
            return None
        now_s = time.monotonic()
        if self._schedule.remaining(now_s) == 0:
            await self._update_and_announce(now_s)
        return self._schedule.remaining(time.monotonic())


async def _do_in(loop: asyncio.AbstractEventLoop, action: Coroutine[Any, Any, T]) -> T:
    """Do something in a loop, which may be another thread's: locks and connections belong to their loop."""
    if loop is asyncio.get_running_loop():
        return await action
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(action, loop))


async def _update_periodically(reference: "weakref.ref[AsyncHeksherClient]", wake: asyncio.Event) -> None:
    """Update until cancelled, or until the client is gone: between updates the task does not hold it."""
    while (client := reference()) is not None:
        # Cleared before looking at the schedule, so that no call for an update falls in between.
        wake.clear()
        try:
            delay_s: float | None = await client._tend()
        except Exception:
            logger.exception("the background updates were interrupted; they go on")
            delay_s = RESUME_S
        del client
        if delay_s is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await wake.wait()
