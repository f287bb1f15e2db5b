"""The client for programs on asyncio: sends what the session asks for, and updates in a background task."""

import asyncio
import contextlib
import logging
import math
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from heksher import main_client
from heksher.clients.base_client import CLOSE_TIMEOUT_S, DEFAULT_START_TIMEOUT_S, BaseHeksherClient
from heksher.clients.conversation.exchange import Flow
from heksher.clients.conversation.setting_data import SettingData
from heksher.clients.conversation.stream_policy import StreamPolicy, UpdateMode
from heksher.clients.home_loop import STOPPED, Callbacks, do_in, make_extension
from heksher.clients.offline.bootstrap import Bootstrap
from heksher.clients.offline.fallback import Fallback
from heksher.clients.offline.file_path import FilePath
from heksher.clients.option import ClientOptions, StartFailure, read_limits
from heksher.clients.phase import ClientPhase
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.shared_async_start import SharedAsyncStart
from heksher.clients.stream_runner import TaskStreamRunner
from heksher.clients.takeover import take_over_in_task
from heksher.clients.transport.async_transport import AsyncTransport, run_aside
from heksher.clients.transport.http_errors import as_http_error
from heksher.clients.transport.identity import AsyncTokenSource, Identity
from heksher.clients.transport.sender import DEFAULT_LIMITS
from heksher.clients.update_task import start_task
from heksher.clients.update_turn import AsyncUpdateTurn
from heksher.context import OnMissingContext
from heksher.exceptions import ClientStateError, TransportError

logger: logging.Logger = logging.getLogger(__name__)

_ORPHANED = (
    "the event loop that this client was started in is closed, or in the process that this one was forked from; call"
    " set_as_main() again, in this loop"
)
_CANCELLED = "the task that updates them has ended, cancelled perhaps; reload() or set_as_main() starts another one"
_WITHIN = "this was called within an update of the same client (by a hook, perhaps), which would wait for itself"

T = TypeVar("T")


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
        token: what the service knows this program by, as text, or a callable, also a coroutine function, that returns
            it. It is asked when a token is needed, and anew when the service has refused one.
        client_name: which program this is, such as ``"checkout"`` or ``"checkout/2.3"``, sent as ``User-Agent``.

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
        bootstrap: Bootstrap | None = None,
        max_response_bytes: int = DEFAULT_LIMITS.max_response_bytes,
        request_timeout: float | timedelta = DEFAULT_LIMITS.request_timeout_s,
        updates: UpdateMode = "auto",
        on_missing_context: OnMissingContext = "raise",
        token: AsyncTokenSource | None = None,
        client_name: str | None = None,
    ) -> None:
        limits = read_limits(max_response_bytes, request_timeout)
        identity = Identity(token, client_name, takes_coroutines=True)
        self._transport = AsyncTransport(service_url, http_client_args, limits, identity)
        fallback = Fallback(last_known_file, bootstrap, self._transport.base_url)
        # The functions of the program that are coroutines.
        self._callbacks = Callbacks()
        dispatcher = Dispatcher(self._callbacks.spawn)
        options = ClientOptions(
            update_interval, context_features, on_start_failure, start_timeout, updates, on_missing_context
        )
        super().__init__(options, self._transport.base_url, fallback, dispatcher)
        # Has one call at a time start the client.
        self._starts = SharedAsyncStart()
        self._make_own_tools()

    def _make_own_tools(self) -> None:
        """Make what belongs to one loop of one process: another one gets its own."""
        self.modification_lock: asyncio.Lock = asyncio.Lock()
        # Taken for a whole update: the session's flows must not run at the same time.
        self._turn = AsyncUpdateTurn()
        # Wakes the task that is to update. One that finds another one's here is to end: it is that of another process.
        self._wake = asyncio.Event()
        # The loop of the background task, and the task; None before the start.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def set_as_main(self) -> None:
        """Become the process's main client: declare all settings, update them, and go on doing so in the background.

        Does nothing if the client is running already, but for starting its task again if that has ended. In a forked
        process, or when the loop that it ran in is closed, it starts anew. During a start of another task it waits for
        that start, and has the same outcome.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the start failed. Nothing keeps running then, the previous main
                client is main again, and the call may be repeated.
            ClientStateError: (a ``RuntimeError``) the client is closed, or cannot follow the present main client; the
                loop that it was started in does not run; or this is called within a start of the client.
            InvalidOptionError: (a ``ValueError``) ``update_interval`` is no time that can pass.
        """
        self._require_open()
        self._require_interval()
        if self._starts.is_under_way:
            self._refuse_to_wait()
        await self._starts.run(self._start)

    async def _start(self) -> None:
        self._require_open()
        if self._state is ClientPhase.RUNNING:
            if not self._is_orphaned():
                await do_in(self._find_home(), self._revive())
                return
            self._make_own_tools()
            await self._transport.reset()
        previous = await take_over_in_task(self)
        self._begin_run()
        self._loop = self._callbacks.loop = asyncio.get_running_loop()
        try:
            error = await self._update_first()
            # Another task may have closed the client meanwhile.
            self._require_open()
            if error is not None and self._must_raise():
                raise error
        except BaseException:
            self._abandon_start(previous)
            self._loop = None
            await self._transport.reset()
            raise
        self._task = start_task(self, self._wake)

    async def reload(self) -> None:
        """Declare what is pending and update now; the interval starts again.

        When it returns, settings are at least as new as the call.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the update failed. A declaration that does is no failed update.
            ClientStateError: (a ``RuntimeError``) the client is not started, or closed; the loop that it was started in
                does not run; or this is called within an update.
        """
        self._require_running()
        self._refuse_to_wait()
        error = await do_in(self._find_home(), self._revive_and_update())
        if error is not None:
            # The background may be asleep until a later moment than the next try.
            self._wake_up()
            raise error

    async def aclose(self) -> None:
        """Stop the updates and close all connections. Settings keep their values. May be called more than once."""
        if self._is_over():
            return
        self._end_run()
        main_client.restore_main(self, None)
        if self._loop is not None and self._loop.is_running():
            # It may stop in this very moment.
            with contextlib.suppress(ClientStateError):
                await do_in(self._loop, self._end())
                return
        await self._end_abroad()

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
        self._make_own_tools()
        self._starts = SharedAsyncStart()
        self._callbacks.loop = None
        self._callbacks.tasks.clear()
        if self._state is ClientPhase.RUNNING:
            # Nothing updates until then, so the client must not call itself current.
            self._health.fail(_ORPHANED)
            self._told_end = _ORPHANED
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
        """Run a flow where the client's connections belong. Before the start, that is nowhere yet."""
        if self._loop is None or self._loop.is_closed():
            return await self._transport.run_apart(flow)
        return await do_in(self._loop, self._transport.run(flow))

    async def _end(self) -> None:
        try:
            if pending := self._cancel_tasks():
                # Not "await task", which could not tell the task's cancellation from one of this very call.
                await asyncio.wait(pending, timeout=CLOSE_TIMEOUT_S)
        finally:
            await self._transport.close()
            self._dispatcher.drain()

    async def _end_abroad(self) -> None:
        """Do so where the client's loop does not run: what its tasks and connections wait for may never come."""
        try:
            if not self._is_orphaned():
                self._cancel_tasks()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._transport.close()
        finally:
            self._dispatcher.drain()

    def _cancel_tasks(self) -> list[asyncio.Task[None]]:
        # A callback may be what closes the client.
        tasks = (self._task, self._stream_runner.task, *self._callbacks.tasks)
        others = [task for task in tasks if task and task is not asyncio.current_task()]
        return [task for task in others if task.cancel()]

    def _wake_up(self) -> None:
        if self._loop is not None:
            # A loop that is closed has no task to wake.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _update_first(self) -> Exception | None:
        try:
            async with asyncio.timeout(self._start_timeout_s) as limit:
                with self._session.declarations.telling_progress(make_extension(limit, self._start_timeout_s)):
                    return await self._update_and_announce()
        except TimeoutError as timeout:
            error = as_http_error(TransportError(f"the start took longer than {self._start_timeout_s} s", timeout))
            await self._fall_back_aside()
            concluded = self._conclude(self._run, time.monotonic(), error)
            self._announce(concluded)
            return concluded

    async def _update_and_announce(self, now_s: float = math.inf) -> Exception | None:
        """Update once, after any update under way, and tell the program; return why it failed, or ``None``.

        Args:
            now_s: declarations that failed are tried again if they are due by then; infinity for all of them.
        """
        async with self._turn.taken():
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
                await run_aside(self._keep, update)
        # Also unforeseen errors: the loop must go on.
        except Exception as failure:  # noqa: BLE001 - see above
            await self._fall_back_aside()
            return failure
        return None

    async def _fall_back_aside(self) -> None:
        # Reads files, and what is in them may be large.
        if self._fallback.has_any:
            await run_aside(self._fall_back)

    def _is_task_over(self) -> bool:
        return self._task is not None and self._task.done()

    async def _revive(self) -> None:
        """Start the task again if it has ended."""
        if self._is_task_over():
            self._schedule.hurry()
            self._task = start_task(self, self._wake)

    async def _revive_and_update(self) -> Exception | None:
        await self._revive()
        return await self._update_and_announce()

    def _explain_end(self) -> str | None:
        if self._state is not ClientPhase.RUNNING or self._starts.is_under_way:
            return None
        if self._loop is None or self._loop.is_closed():
            return _ORPHANED
        if not self._loop.is_running():
            return STOPPED
        return _CANCELLED if self._is_task_over() else None

    def _refuse_to_wait(self) -> None:
        """Raise a ClientStateError in a task that an update of this client waits for, or that is one."""
        task = asyncio.current_task()
        if task is not None and (self._turn.is_taken_in(task) or self._transport.is_sending_in(task)):
            raise ClientStateError(_WITHIN)

    async def _tend(self, wake: asyncio.Event) -> float | None:
        """Update if that is due; return the seconds until it is again, or ``None`` when there is nothing more to do."""
        if self._run is None or self._wake is not wake:
            return None
        now_s = time.monotonic()
        if self._schedule.remaining(now_s) == 0:
            await self._update_and_announce(now_s)
        return self._schedule.remaining(time.monotonic())
