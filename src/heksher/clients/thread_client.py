"""The client for programs without an event loop: sends what the session asks for, and updates in a thread."""

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from heksher.clients import current
from heksher.clients.base import DEFAULT_START_TIMEOUT_S, BaseHeksherClient, StartFailure, State
from heksher.clients.transport import ThreadTransport, as_http_error
from heksher.clients.util import SettingData
from heksher.exceptions import TransportError

# How long close waits for a request that is under way; the thread that sent it publishes nothing afterwards.
CLOSE_TIMEOUT_S = 2.0


class ThreadHeksherClient(BaseHeksherClient):
    """Keeps the settings of the process current, in a background thread. Thread-safe.

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
        on_start_failure: StartFailure = "continue",
        start_timeout: float | timedelta | None = DEFAULT_START_TIMEOUT_S,
    ) -> None:
        super().__init__(update_interval, context_features, on_start_failure, start_timeout)
        self.modification_lock: threading.Lock = threading.Lock()
        self._transport = ThreadTransport(service_url, http_client_args)
        # Held for a whole update: the session's flows must not run at the same time. It can be taken again by its
        # holder, because a callback, which comes after the flow, may call reload.
        self._update_lock = threading.RLock()
        # Guards the changes of _state, so that of several threads one starts, and one closes.
        self._state_lock = threading.Lock()
        self._wake = threading.Event()
        # The thread that is to update; None before the start, and once it is to end.
        self._thread: threading.Thread | None = None
        # Tells the call that starts the client how the first update ended, or that the client was closed meanwhile.
        self._started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def set_as_main(self) -> None:
        """Become the process's main client: declare all settings, update them, and go on doing so in the background.

        Does nothing if the client is running already.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the start failed, and ``on_start_failure`` is ``"raise"``. Nothing
                keeps running then, the previous main client is main again, and the call may be repeated.
            ClientStateError: (a ``RuntimeError``) the client is closed, or cannot follow the present main client.
        """
        with self._state_lock:
            self._require_open()
            if self._state is State.RUNNING:
                return
            previous = current.make_main(self)
            self._begin_run()
        try:
            with self._state_lock:
                self._require_open()
                started = self._start_thread()
            error = self._await_start(started)
            # Another thread may have closed the client meanwhile.
            self._require_open()
            if error is not None and self._on_start_failure == "raise":
                raise error
        except BaseException:
            with self._state_lock:
                self._abandon_start(previous)
            self._stop_thread()
            self._transport.reset()
            raise

    def reload(self) -> None:
        """Declare what is pending and update now; the interval starts again.

        When it returns, settings are at least as new as the call.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the update failed, or a declaration did.
            ClientStateError: (a ``RuntimeError``) the client is not started, or closed.
        """
        self._require_running()
        error = self._update()
        if error is not None:
            # The background may be asleep until a later moment than the next try.
            self._wake_up()
            raise error

    def close(self) -> None:
        """Stop the updates and close all connections. Settings keep their values. May be called more than once."""
        with self._state_lock:
            if self._state is State.CLOSED:
                return
            self._end_run()
        current.restore_main(self, None)
        self._started.put(None)
        self._stop_thread()
        self._transport.close()

    def ping(self) -> None:
        """Do nothing if the service is healthy.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) it is not, or cannot be reached.
        """
        self._require_open()
        self._transport.run(self._session.ping())

    def get_settings(self) -> dict[str, SettingData]:
        """Ask the service for all settings that it has, by name.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) it does not answer as it should.
        """
        self._require_open()
        return self._transport.run(self._session.get_settings())

    def __enter__(self) -> Self:
        self.set_as_main()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _wake_up(self) -> None:
        self._wake.set()

    def _start_thread(self) -> "queue.SimpleQueue[Exception | None]":
        started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._started = started
        self._thread = threading.Thread(target=self._update_periodically, args=(started,), name="heksher", daemon=True)
        self._thread.start()
        return started

    def _await_start(self, started: "queue.SimpleQueue[Exception | None]") -> Exception | None:
        try:
            return started.get(timeout=self._start_timeout_s)
        except queue.Empty:
            text = f"the start took longer than {self._start_timeout_s} s"
            error = as_http_error(TransportError(text, TimeoutError(text)))
            self._note_failure(error)
            return error

    def _stop_thread(self) -> None:
        thread, self._thread = self._thread, None
        self._wake.set()
        # A callback may close the client in the very thread that updates; and a thread may have failed to start.
        if thread is not None and thread is not threading.current_thread() and thread.is_alive():
            thread.join(CLOSE_TIMEOUT_S)

    def _update(self) -> Exception | None:
        """Update once, after any update under way; give why it failed, or ``None``."""
        with self._update_lock:
            run = self._run
            error: Exception | None = None
            self._schedule.begin()
            try:
                update = self._transport.run(self._session.update())
                with self.modification_lock:
                    self._publish(update)
                if update.problems:
                    raise as_http_error(update.problems[0])
            # Also what nobody foresaw: the thread must go on.
            except Exception as failure:  # noqa: BLE001 - see above
                error = failure
            return self._finish_update(run, time.monotonic(), error)

    def _update_periodically(self, started: "queue.SimpleQueue[Exception | None]") -> None:
        started.put(self._update())
        # After a failed start there may be another one, with a thread of its own.
        while self._thread is threading.current_thread():
            delay_s = self._schedule.remaining(time.monotonic())
            if delay_s > 0:
                self._wake.wait(delay_s)
                # Cleared before looking again, so that no call for an update falls in between.
                self._wake.clear()
            else:
                self._update()
