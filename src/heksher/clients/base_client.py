"""What the asynchronous and the thread client have in common: everything that does not block."""

import logging
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from heksher import fork, main_client
from heksher.backoff import FailureRow
from heksher.clients.contextual import Contextual
from heksher.clients.conversation.schedule import Schedule
from heksher.clients.conversation.session import Session
from heksher.clients.conversation.stream_policy import StreamPolicy, UpdateMode
from heksher.clients.conversation.update import Replacement, Update
from heksher.clients.offline.fallback import Fallback
from heksher.clients.option import ClientOptions, StartFailure, check_choice, read_features, read_seconds
from heksher.clients.phase import Phased
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.reporting.observed import Observed
from heksher.clients.reporting.snapshot import Snapshot
from heksher.clients.reporting.status import ClientHealth, ClientStatus, count_by_setting, count_settings
from heksher.clients.stream_runner import StreamRunner
from heksher.clients.switching import Switching
from heksher.context import ClientContext, OnMissingContext
from heksher.exceptions import ClientStateError, InvalidOptionError, ServiceError, StatusError
from heksher.setting import Setting

# Statuses that a service answers with until its configuration, or the client's, is corrected.
_REFUSALS = frozenset({401, 403, 404})

logger: logging.Logger = logging.getLogger(__name__)

_FAILED_UPDATE = "error during heksher update: updating settings failed, they keep what they have: %s"

DEFAULT_START_TIMEOUT_S = 30.0

# How long close waits for the background to end, after its requests were broken off; it publishes nothing afterwards.
CLOSE_TIMEOUT_S = 1.0

# After how long the background goes on if something interrupted it that should not have.
RESUME_S = 1.0


class BaseHeksherClient(Contextual, Observed, Phased, ABC):
    """The part of a client that does not block. Thread-safe.

    Only names without an underscore are public. Methods that ``main_client`` and ``fork`` call have one, too, so that
    a program's subclass cannot override them by accident.

    Args:
        options: what is not about requests.
        base_url: the service's URL, without credentials.
        fallback: what settings answer while the service was never reached.
        dispatcher: calls those who want to know of changes.
    """

    _is_stub = False

    def __init__(self, options: ClientOptions, base_url: str, fallback: Fallback, dispatcher: Dispatcher) -> None:
        Observed.__init__(self, dispatcher)
        Phased.__init__(self)
        check_choice("on_start_failure", options.on_start_failure, StartFailure)
        check_choice("updates", options.updates, UpdateMode)
        check_choice("on_missing_context", options.on_missing_context, OnMissingContext)
        features = read_features(options.context_features)
        self._context: ClientContext = ClientContext(features, on_missing=options.on_missing_context)
        self._on_start_failure = options.on_start_failure
        timeout, interval = options.start_timeout, options.update_interval
        self._start_timeout_s = None if timeout is None else read_seconds("start_timeout", timeout)
        # Why the client cannot start, None if it can: programs may create a client with any interval.
        self._interval_problem: InvalidOptionError | None = None
        try:
            interval_s = None if interval is None else read_seconds("update_interval", interval)
        except InvalidOptionError as error:
            interval_s, self._interval_problem = None, error
        self._schedule = Schedule(interval_s)
        self._base_url = base_url
        self._session = Session(self._context, base_url)
        self._session.tell_defaults = _call_weakly(self._publish_defaults)
        self._updates: UpdateMode = "poll" if interval_s is None else options.updates
        # Why nothing updates the client any more, as far as that was told; None while something does.
        self._told_end: str | None = None
        # A new object for each start, None while the client is not running: by it an update knows whether it has
        # outlived the run that it was for.
        self._run: object | None = None
        self._fallback = fallback
        self._health = ClientHealth()
        # Belongs to one run, or, before the first one, to none.
        self._stream_runner = self._make_stream_runner(self._make_stream_policy())
        # Of updates.
        self._failures = FailureRow()
        self._switching = Switching(self._context, self._session)
        fork.join(self)

    # ---- settings

    @property
    def settings(self) -> Mapping[str, Setting[Any]]:
        """The settings that the client keeps current, by name, as they are now: those that the program still holds."""
        return MappingProxyType({setting.name: setting for setting in self._session.settings()})

    def snapshot(self) -> Snapshot:
        """Return a consistent view of all settings: each as the same update left it."""
        return Snapshot(self._switching.look())

    def __repr__(self) -> str:
        state = "not updated any more" if self._explain_end() is not None else self._health.state
        return f"<{type(self).__name__} of {self._base_url}: {state}, {count_settings(self._session.settings())}>"

    # ---- status and changes

    @property
    def status(self) -> ClientStatus:
        """How the client is doing: whether settings are current, and if not, since when and why."""
        fork.notice_fork()
        self._notice_end()
        return self._make_status()

    def _adopt(self, settings: list[Setting[Any]]) -> None:
        """Take over settings, to be declared and followed. Called by ``main_client``."""
        for setting in settings:
            self._session.register(setting)
        if settings:
            self._schedule.hurry()
            self._wake_up()

    def _release(self) -> None:
        """Give up all settings. Called by ``main_client`` when another client becomes main."""
        with self._switching.lock:
            self._session.release()

    def _follow_default(self, setting: Setting[Any]) -> None:
        """Have a setting follow a default that the program has set. Called by ``main_client``."""
        with self._switching.lock:
            self._dispatcher.switch(setting, setting._received.compile())
        self._dispatcher.drain()

    def _has_undeclared_settings(self) -> bool:
        """Return whether the client is still to declare settings for the first time, and can."""
        return self._session.has_undeclared() and self._explain_end() is None

    # ---- for the process

    def _survive_fork(self) -> None:
        """Go on in a forked process. Called by ``fork``."""
        # The lock is held, perhaps, by a thread that this process does not have.
        self._switching = Switching(self._context, self._session)
        self._stream_runner.abandon()
        self._stream_runner = self._make_stream_runner(self._make_stream_policy())
        # The fork may have come between two assignments.
        self._session.recompile()

    def _note_failed_fork(self, error: Exception) -> None:
        """Have the status say that nothing keeps the client current in a forked process. Called by ``fork``."""
        if self._is_started and not self._is_closed:
            self._note(error)

    def _retry_after_fork(self) -> bool:
        """Return whether there is nothing to try again. Called by ``fork``."""
        return True

    def _leave(self) -> None:
        """Stop the background work, without waiting, so that the interpreter can exit. Called by ``fork``."""
        self._run = None
        self._stream_runner.stop()

    # ---- to override

    def on_update_error(self, exc: Exception) -> None:
        """Do nothing. Override it to be called after each failed update; what it raises is logged and stops nothing.

        An update fails when its query does. A declaration that fails is logged, and told by ``status.settings``.
        """

    def on_update_ok(self) -> None:
        """Do nothing. Override it to be called after each successful update, also when nothing had changed."""

    # ---- for the two clients

    @abstractmethod
    def _wake_up(self) -> None:
        """Have the background look at the schedule again. May be called from any thread."""

    @abstractmethod
    def _make_stream_runner(self, policy: StreamPolicy) -> StreamRunner:
        """Make what follows the service's changes during a run. It must not hold the client."""

    def _make_stream_policy(self) -> StreamPolicy:
        return StreamPolicy(self._updates, self._session, self._schedule, _call_weakly(self._wake_up))

    @abstractmethod
    def _explain_end(self) -> str | None:
        """Return why nothing updates the settings any more, although the client runs; ``None`` if something does."""

    def _notice_end(self) -> None:
        """Say so if nothing updates the settings any more. May be called from any thread."""
        reason = self._explain_end()
        if reason is not None:
            self._tell_end(reason)

    def _tell_end(self, reason: str) -> None:
        with self._switching.lock:
            if reason == self._told_end:
                return
            is_first, self._told_end = self._told_end is None, reason
            if self._health.fail(reason):
                self._dispatcher.post_call(self._status_subscribers, self._make_status())
        if is_first:
            logger.warning("the settings are not updated any more: %s", reason)
        # Should it go on after all, the status is to be right soon.
        self._schedule.hurry()
        self._wake_up()
        self._dispatcher.drain()

    def _make_status(self) -> ClientStatus:
        return self._health.make_status(
            self._session.statuses(),
            self._stream_runner.is_streaming,
            stream_problem=self._stream_runner.problem,
            missing_contexts=count_by_setting(self._context.missing_reads),
            token_expires_at=self._session.token_expires_at,
        )

    def _require_interval(self) -> None:
        if self._interval_problem is not None:
            raise InvalidOptionError(str(self._interval_problem))

    def _publish(self, update: Update) -> None:
        # Most have nothing new.
        with self._switching.change() if update.renewals else self._switching.lock:
            replacements = self._session.publish(update)
            self._health.confirm(update.revision and update.revision.number)
            self._post(replacements)

    def _publish_defaults(self) -> None:
        """Make the defaults visible that declarations were answered with. May be called from any thread."""
        with self._switching.change():
            self._post(self._session.publish_defaults())

    def _fall_back(self) -> None:
        """Have settings that never had values from the service answer from the fallback. Reads a file."""
        for source, state in self._fallback.find(self._session.context_filters()):
            with self._switching.change():
                replacements = self._session.restore(state)
                is_of_use = bool(replacements) or not self._session.settings()
                if is_of_use and self._health.source == "defaults":
                    # The age of a bootstrap is unknown.
                    confirmed_at = state.saved_at if source == "file" else None
                    self._health.fall_back(source, confirmed_at, state.revision)
                self._post(replacements)

    def _keep(self, update: Update) -> None:
        """Keep what the service said, for a start without it. Writes a file."""
        self._fallback.save(self._session.save, is_new=bool(update.renewals))

    def _post(self, replacements: Iterable[Replacement]) -> None:
        for setting, before, after in replacements:
            self._dispatcher.post(setting, before, after)

    def _conclude(self, run: object, now_s: float, error: Exception | None) -> Exception | None:
        """Record the outcome of an update; return why it failed, or ``None``."""
        if run is None or self._run is not run:
            # The run is over: this must reach neither the schedule nor the callbacks.
            return ClientStateError("the client was closed before the update came to its end")
        self._told_end = None
        if error is None:
            self._schedule.succeed(now_s)
        else:
            status = error.status if isinstance(error, StatusError) else None
            retry_after_s = error.retry_after_s if isinstance(error, StatusError) else None
            self._schedule.fail(now_s, is_refused=status in _REFUSALS, retry_after_s=retry_after_s)
        self._schedule.plan_declarations(self._session.plan_declarations(now_s))
        self._stream_runner.tend()
        self._note(error)
        return error

    def _note(self, error: Exception | None) -> None:
        """Record the outcome of an update in the status, and log it if it differs from the last one."""
        with self._switching.lock:
            has_changed = self._health.succeed() if error is None else self._health.fail(str(error) or repr(error))
            if has_changed:
                self._dispatcher.post_call(self._status_subscribers, self._make_status())
        if error is not None:
            # Only the first failure of a row is logged as an error. The message is enough for a fault of the service
            # or the network; anything else is a fault in this process, for which the traceback is needed.
            level = self._failures.fail(logging.ERROR)
            traceback = None if isinstance(error, ServiceError) else error
            # As the existing client logs it.
            extra = {"response_content": error.content} if isinstance(error, StatusError) else None
            logger.log(level, _FAILED_UPDATE, error, exc_info=traceback, extra=extra)
        elif self._failures.end():
            logger.info("updating settings works again")

    def _announce(self, error: Exception | None) -> None:
        """Call the program's functions. To be done while holding no lock."""
        # Of an update that came too late, only what it had changed before is told.
        if not isinstance(error, ClientStateError):
            self._tell_of_the_end(error)
        self._dispatcher.drain()

    def _tell_of_the_end(self, error: Exception | None) -> None:
        try:
            if error is None:
                self.on_update_ok()
            else:
                self.on_update_error(error)
        except Exception:
            if error is None:
                logger.exception("on_update_ok failed; updates go on")
            else:
                logger.exception("on_update_error failed; updates go on")

    def _must_raise(self) -> bool:
        """Return whether the start's failure is to be raised: it is not if there is something to fall back on."""
        return self._on_start_failure == "raise" and self._health.source not in {"file", "bootstrap"}

    def _begin_run(self) -> None:
        self._is_started = True
        self._run = object()
        self._stream_runner.stop()
        self._stream_runner = self._make_stream_runner(self._make_stream_policy())

    def _end_run(self) -> None:
        self._is_closed = True
        self._run = None
        self._stream_runner.stop()
        with self._switching.lock:
            if self._health.close():
                self._dispatcher.post_call(self._status_subscribers, self._make_status())

    def _abandon_start(self, previous: main_client.MainClient | None) -> None:
        main_client.restore_main(self, previous)
        self._run = None
        self._stream_runner.stop()
        self._is_started = False


def _call_weakly(method: Callable[[], object]) -> Callable[[], None]:
    """Make a function that calls a method, as long as its object is there, which it does not keep."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    return call
