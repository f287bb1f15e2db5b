"""The client for programs on asyncio: sends what the session asks for, and updates in a background task."""

import asyncio
import contextlib
import time
import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from heksher.clients import current
from heksher.clients.base import DEFAULT_START_TIMEOUT_S, BaseHeksherClient, StartFailure, State
from heksher.clients.transport import AsyncTransport, as_http_error
from heksher.clients.util import SettingData
from heksher.exceptions import TransportError


class AsyncHeksherClient(BaseHeksherClient):
    """Keeps the settings of the process current, on the event loop in which it was started.

    Args:
        service_url: where the service is, such as ``http://heksher:80``, with credentials if it asks for them.
        update_interval: seconds from one update to the next.
        context_features: the context features that the program knows, the most general one first.
        http_client_args: keyword arguments for the HTTP client: ``headers``, ``auth``, ``timeout``, ``verify``, …
        on_start_failure: ``"raise"`` the first update's failure from ``set_as_main``, or log it and ``"continue"``.
        start_timeout: seconds that the start may take; ``None`` for no limit but those of the HTTP client.

    Attributes:
        modification_lock: held while the values of settings are changed; hold it to keep them as they are.

    Raises:
        InvalidOptionError: (a ``ValueError``) an option cannot work.

    Source: spec/client-api.md, *Clients*.
    """

    def __init__(
        self,
        service_url: str,
        update_interval: float | timedelta,
        context_features: Iterable[str],
        *,
        http_client_args: Mapping[str, Any] | None = None,
        on_start_failure: StartFailure = "raise",
        start_timeout: float | timedelta | None = DEFAULT_START_TIMEOUT_S,
    ) -> None:
        super().__init__(update_interval, context_features, on_start_failure, start_timeout)
        self.modification_lock: asyncio.Lock = asyncio.Lock()
        self._transport = AsyncTransport(service_url, http_client_args)
        # Held for a whole update: the session's flows must not run at the same time.
        self._update_lock = asyncio.Lock()
        self._wake = asyncio.Event()
        # The loop of the background task, and the task; None before the start.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def set_as_main(self) -> None:
        """Become the process's main client: declare all settings, update them, and go on doing so in the background.

        Does nothing if the client is running already.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the start failed. Nothing keeps running then, the previous main
                client is main again, and the call may be repeated.
            ClientStateError: (a ``RuntimeError``) the client is closed, or cannot follow the present main client.
        """
        self._require_open()
        if self._state is State.RUNNING:
            return
        previous = current.make_main(self)
        self._begin_run()
        self._loop = asyncio.get_running_loop()
        try:
            error = await self._start()
            # Another task may have closed the client meanwhile.
            self._require_open()
            if error is not None and self._on_start_failure == "raise":
                raise error
        except BaseException:
            self._abandon_start(previous)
            await self._transport.reset()
            raise
        self._task = asyncio.create_task(self._update_periodically(), name="heksher updates")

    async def reload(self) -> None:
        """Declare what is pending and update now; the interval starts again.

        When it returns, settings are at least as new as the call.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the update failed, or a declaration did.
            ClientStateError: (a ``RuntimeError``) the client is not started, or closed.
        """
        self._require_running()
        error = await self._update()
        if error is not None:
            # The background may be asleep until a later moment than the next try.
            self._wake_up()
            raise error

    async def aclose(self) -> None:
        """Stop the updates and close all connections. Settings keep their values. May be called more than once."""
        if self._state is State.CLOSED:
            return
        self._end_run()
        current.restore_main(self, None)
        try:
            # A task that is done may be one of a loop that is closed, where nothing can wait for it.
            if self._task is not None and self._task.cancel():
                # Not "await task", which could not tell the task's cancellation from one of this very call.
                await asyncio.wait([self._task])
        finally:
            await self._transport.close()

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
        await self._transport.run(self._session.ping())

    async def get_settings(self) -> dict[str, SettingData]:
        """Ask the service for all settings that it has, by name.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) it does not answer as it should.
        """
        self._require_open()
        return await self._transport.run(self._session.get_settings())

    async def __aenter__(self) -> Self:
        await self.set_as_main()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _wake_up(self) -> None:
        if self._loop is not None:
            # A loop that is closed has no task to wake.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _start(self) -> Exception | None:
        try:
            async with asyncio.timeout(self._start_timeout_s):
                return await self._update()
        except TimeoutError as timeout:
            error = TransportError(f"the start took longer than {self._start_timeout_s} s", timeout)
            return self._finish_update(self._run, time.monotonic(), as_http_error(error))

    async def _update(self) -> Exception | None:
        """Update once, after any update under way; give why it failed, or ``None``."""
        async with self._update_lock:
            run = self._run
            error: Exception | None = None
            self._schedule.begin()
            try:
                update = await self._transport.run(self._session.update())
                async with self.modification_lock:
                    self._publish(update)
                if update.problems:
                    raise as_http_error(update.problems[0])
            # Also what nobody foresaw: the loop must go on.
            except Exception as failure:  # noqa: BLE001 - see above
                error = failure
            return self._finish_update(run, time.monotonic(), error)

    async def _update_periodically(self) -> None:
        while True:
            # Cleared before looking at the schedule, so that no call for an update falls in between.
            self._wake.clear()
            delay_s = self._schedule.remaining(time.monotonic())
            if delay_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay_s):
                        await self._wake.wait()
            else:
                await self._update()
