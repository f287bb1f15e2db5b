"""The client for programs without an event loop: sends what the session asks for, and updates in a thread."""

import _thread
import logging
import math
import queue
import threading
import time
import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from types import BuiltinFunctionType, TracebackType
from typing import Any, Self

from heksher import main_client
from heksher.clients.base_client import DEFAULT_START_TIMEOUT_S, BaseHeksherClient
from heksher.clients.conversation.setting_data import SettingData
from heksher.clients.conversation.stream_policy import StreamPolicy, UpdateMode
from heksher.clients.offline.bootstrap import Bootstrap
from heksher.clients.offline.fallback import Fallback
from heksher.clients.offline.file_path import FilePath
from heksher.clients.option import ClientOptions, StartFailure, read_limits
from heksher.clients.phase import ClientPhase
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.shared_start import SharedStart
from heksher.clients.stream_runner import ThreadStreamRunner
from heksher.clients.takeover import take_over
from heksher.clients.transport.http_errors import as_http_error
from heksher.clients.transport.identity import Identity, TokenSource
from heksher.clients.transport.sender import DEFAULT_LIMITS
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.clients.update_thread import FirstOutcome, UpdateThread, await_end
from heksher.clients.update_turn import WITHIN, UpdateTurn
from heksher.clients.wake import Wake
from heksher.context import OnMissingContext
from heksher.exceptions import ClientStateError, TransportError

logger: logging.Logger = logging.getLogger(__name__)

# After how long a forked process begins to follow the service's changes. Some patch gevent in right after the fork, and
# then there is to be no second thread, see ``stream_runner``.
SETTLING_S = 1.0

_LEFT = "the interpreter is about to end"
_ENDED = "the thread that updates them has ended; reload() or set_as_main() starts another one"


class ThreadHeksherClient(BaseHeksherClient):
    """Keeps the settings of the process current, in a background thread. Thread-safe.

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
        token: what the service knows this program by, as text, or a callable that returns it. It is asked when a token
            is needed, and anew when the service has refused one, in any thread, but in one at a time.
        client_name: which program this is, such as ``"checkout"`` or ``"checkout/2.3"``, sent as ``User-Agent``.

    Attributes:
        modification_lock: held while the values of settings are changed; hold it to keep them as they are.

    Raises:
        InvalidOptionError: (a ``ValueError``) an option cannot work.
        ArgumentTypeError: (a ``TypeError``) an argument is of a wrong type.

    Source: docs/reference/compatibility.md, *Clients*.
    """

    _stream_runner: ThreadStreamRunner

    def __init__(
        self,
        service_url: str,
        update_interval: float | timedelta | None,
        context_features: Iterable[str],
        *,
        http_client_args: Mapping[str, Any] | None = None,
        on_start_failure: StartFailure = "continue",
        start_timeout: float | timedelta | None = DEFAULT_START_TIMEOUT_S,
        last_known_file: FilePath | None = None,
        bootstrap: Bootstrap | None = None,
        max_response_bytes: int = DEFAULT_LIMITS.max_response_bytes,
        request_timeout: float | timedelta = DEFAULT_LIMITS.request_timeout_s,
        updates: UpdateMode = "auto",
        on_missing_context: OnMissingContext = "raise",
        token: TokenSource | None = None,
        client_name: str | None = None,
    ) -> None:
        limits = read_limits(max_response_bytes, request_timeout)
        identity = Identity(token, client_name)
        self._transport = ThreadTransport(service_url, http_client_args, limits, identity)
        fallback = Fallback(last_known_file, bootstrap, self._transport.base_url)
        options = ClientOptions(
            update_interval, context_features, on_start_failure, start_timeout, updates, on_missing_context
        )
        super().__init__(options, self._transport.base_url, fallback, Dispatcher())
        self.modification_lock: threading.Lock = threading.Lock()
        self._make_own_tools()

    def _make_own_tools(self) -> None:
        """Make what belongs to this process: a forked one gets its own."""
        # Taken for a whole update: the session's flows must not run at the same time.
        self._turn = UpdateTurn()
        # Has one call at a time start the client, or bring its thread back.
        self._starts = SharedStart()
        self._background = UpdateThread()
        # Whether this is a forked process that has not begun to follow the service's changes.
        self._is_settling = False

    def set_as_main(self) -> None:
        """Become the process's main client: declare all settings, update them, and go on doing so in the background.

        Does nothing if the client is running already, but for starting its thread again if that has ended. During a
        start of another thread it waits for that start, and has the same outcome.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the start failed, and ``on_start_failure`` is ``"raise"``. Nothing
                keeps running then, the previous main client is main again, and the call may be repeated.
            ClientStateError: (a ``RuntimeError``) the client is closed, or cannot follow the present main client; the
                process can have no more threads; or this is called within a start of the client.
            InvalidOptionError: (a ``ValueError``) ``update_interval`` is no time that can pass.
        """
        self._require_interval()
        if self._switching.is_interrupted_here():
            raise ClientStateError(WITHIN)
        self._starts.run(self._start)

    def _start(self) -> None:
        self._require_open()
        if self._revive():
            return
        previous = take_over(self)
        try:
            self._begin_run()
            started = self._start_thread()
            # Another thread may have closed the client meanwhile.
            self._require_open()
            error = self._await_start(started)
            self._require_open()
            if error is not None and self._must_raise():
                raise error
        except BaseException:
            self._abandon_start(previous)
            thread = self._background.dismiss()
            self._transport.reset()
            await_end(thread)
            raise

    def reload(self) -> None:
        """Declare what is pending and update now; the interval starts again.

        When it returns, settings are at least as new as the call.

        Raises:
            ServiceError: (an ``httpx.HTTPError``) the update failed. A declaration that does is no failed update.
            ClientStateError: (a ``RuntimeError``) the client is not started, or closed, and nothing can update it; or
                this is called within an update or a start of the client, or by the handler of a signal that has come
                within one of its methods: it would wait for itself.
        """
        self._require_running()
        self._refuse_to_wait()
        self._bring_back()
        error = self._update_and_announce()
        if error is not None:
            # The background may be asleep until a later moment than the next try.
            self._wake_up()
            raise error

    def close(self) -> None:
        """Stop the updates and close all connections. Settings keep their values. May be called more than once.

        Requests that are under way are broken off. Takes about two seconds at most, even if one cannot be.
        """
        if self._is_over():
            return
        self._end_run()
        main_client.restore_main(self, None)
        self._background.started.put(None)
        thread = self._background.dismiss()
        # First, so that the thread has nothing to wait for any more.
        self._transport.close()
        await_end(thread)
        await_end(self._stream_runner.thread)
        self._dispatcher.drain()

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

    def _survive_fork(self) -> None:
        """Go on in a forked process, with a thread and connections of its own. Called by ``fork``."""
        super()._survive_fork()
        self.modification_lock = threading.Lock()
        self._make_own_tools()
        self._schedule.scatter(time.monotonic())
        try:
            self._transport.reset_after_fork()
        # Whatever it is: the thread starts all the same, and each of its updates tries this again.
        except Exception as error:  # noqa: BLE001 - see above
            self._note_failed_fork(error)
        if self._state is ClientPhase.RUNNING:
            if isinstance(_thread.start_new_thread, BuiltinFunctionType):
                self._go_on()
            else:
                # Threads are greenlets, of gevent for instance. To wait, as Thread.start does, is to run the event
                # loop, which is the parent's until gevent is told of the fork, after this.
                _thread.start_new_thread(self._resume, ())

    def _make_stream_runner(self, policy: StreamPolicy) -> ThreadStreamRunner:
        return ThreadStreamRunner(policy, self._transport)

    def _resume(self) -> None:
        self._starts.run(self._revive)

    def _go_on(self) -> None:
        self._is_settling = True
        self._stream_runner.not_before_s = time.monotonic() + SETTLING_S
        self._start_thread(is_first=False)

    def _note_failed_fork(self, error: Exception) -> None:
        super()._note_failed_fork(error)
        # Sooner than after a fork that went well.
        self._schedule.fail(time.monotonic())

    def _retry_after_fork(self) -> bool:
        # The caller may be what is starting the client. There will be another occasion.
        if self._starts.is_under_way:
            return False
        self._resume()
        return True

    def _explain_end(self) -> str | None:
        if self._state is not ClientPhase.RUNNING or self._starts.is_under_way:
            return None
        if self._run is None:
            return _LEFT
        thread = self._background.native
        return _ENDED if thread is not None and not thread.is_alive() else None

    def _bring_back(self) -> None:
        """Start the thread again if it has ended; raise a ClientStateError if that is not possible."""
        reason = self._explain_end()
        if reason == _LEFT:
            raise ClientStateError(f"this client updates no more: {reason}")
        if reason is not None:
            self._starts.run(self._revive)

    def _revive(self) -> bool:
        """Start the thread again if it has ended; return whether the client runs."""
        if self._state is not ClientPhase.RUNNING:
            return False
        thread = self._background.native
        if thread is None:
            self._go_on()
        elif not thread.is_alive():
            self._background.dismiss()
            self._schedule.hurry()
            self._start_thread(is_first=False)
        return True

    def _settle(self, now_s: float) -> float:
        """Begin to follow in a forked process, if it is time for that; return the seconds until then."""
        left_s = self._stream_runner.not_before_s - now_s
        if left_s <= 0:
            self._is_settling = False
            # The parent's last update is the child's, too, and what came after it the service tells.
            self._stream_runner.tend()
        return left_s

    def _leave(self) -> None:
        """Stop the background work, without waiting, so that the interpreter can exit. Called by ``fork``."""
        super()._leave()
        self._background.dismiss()

    def __del__(self) -> None:
        # Not there if the constructor failed.
        if getattr(self, "_run", None) is not None:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            self._leave()
            self._transport.close()

    def _wake_up(self) -> None:
        self._background.wake.set()

    def _start_thread(self, *, is_first: bool = True) -> FirstOutcome:
        try:
            return self._background.start(self, is_first=is_first)
        except ClientStateError as error:
            self._tell_end(str(error))
            raise

    def _await_start(self, started: FirstOutcome) -> Exception | None:
        try:
            while isinstance(outcome := started.get(timeout=self._start_timeout_s), str):
                pass
            return outcome  # noqa: TRY300
        except queue.Empty:
            text = f"the start took longer than {self._start_timeout_s} s"
            error = as_http_error(TransportError(text, TimeoutError(text)))
            self._fall_back()
            self._note(error)
            self._announce(error)
            return error

    def _update_and_announce(self, now_s: float = math.inf) -> Exception | None:
        """Update once, after any update under way, and tell the program; return why it failed, or ``None``.

        Args:
            now_s: declarations that failed are tried again if they are due by then; infinity for all of them.
        """
        error = self._turn.run(partial(self._update_and_conclude, now_s))
        self._announce(error)
        return error

    def _update_and_conclude(self, now_s: float) -> Exception | None:
        run = self._run
        error = self._update(now_s)
        return self._conclude(run, time.monotonic(), error)

    def _refuse_to_wait(self) -> None:
        """Raise a ClientStateError in a thread that an update would wait for."""
        is_within = self._turn.is_taken_here() or self._starts.is_called_here()
        if is_within or self._switching.is_interrupted_here() or self._transport.is_sending_here():
            raise ClientStateError(WITHIN)

    def _update(self, now_s: float) -> Exception | None:
        self._schedule.begin()
        try:
            update = self._transport.run(self._session.update(now_s))
            with self.modification_lock:
                self._publish(update)
            self._keep(update)
        # Also unforeseen errors: the thread must go on.
        except Exception as failure:  # noqa: BLE001 - see above
            self._fall_back()
            return failure
        return None

    def _tend(self, wake: Wake, started: FirstOutcome | None) -> float | None:
        """Update if that is due; return the seconds until it is again, or ``None`` when there is nothing more to do."""
        # Not the current thread: gevent, patched in late, makes another one of it.
        if self._background.wake is not wake:
            return None
        if started is not None:
            error: Exception | None = ClientStateError("the start was interrupted")
            try:
                tell = partial(started.put, "progress")
                with self._starts.helping(), self._session.declarations.telling_progress(tell):
                    error = self._update_and_announce()
            finally:
                started.put(error)
        elif self._schedule.remaining(now_s := time.monotonic()) == 0:
            self._update_and_announce(now_s)
        now_s = time.monotonic()
        left_s = self._schedule.remaining(now_s)
        if self._is_settling and (settling_s := self._settle(now_s)) > 0:
            return min(left_s, settling_s)
        return left_s
