"""Runs the service until a signal stops it, in this process or in several forked ones."""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from starlette.types import ASGIApp

from heksher.server import scratch
from heksher.server.app import Application, open_storage
from heksher.server.config import Config
from heksher.server.errors import StartupError
from heksher.server.http.connection_cap import find_max_connections
from heksher.server.http.ended import ConnectionMetrics, RefusalRecorder
from heksher.server.http.http_limits import HttpLimits
from heksher.server.http.http_server import HttpServer
from heksher.server.limits import MAX_PENDING_BYTES
from heksher.server.logs import configure_logging
from heksher.server.metrics import forget_worker, sharing_metrics
from heksher.server.operations.context_features import REMEDY, list_features
from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.web_address import is_loopback_address
from heksher.server.workers import Lifeline, Workers
from heksher.version import __version__

logger: logging.Logger = logging.getLogger(__name__)

# How long requests in progress may take when the server stops.
GRACEFUL_SHUTDOWN_S = 5
# What the system takes of an answer that its client does not read yet. Without a bound that is several megabytes for
# each connection, which take as much of its memory, and their copying as much of everybody's time.
SEND_BUFFER_BYTES = 256 * 1024
# How many connections may wait to be let in: the system makes it as many as it allows. Who finds no place there is not
# told, and tries again only after a second.
_BACKLOG = 65_535
# How many of the largest bodies must fit into what all requests may take.
_LEAST_PENDING_BODIES = 4
# How much longer a worker may take to close its storage and exit.
_CLOSING_S = 2


def run_service(config: Config, say: Callable[[str], object]) -> None:
    """Run the service until SIGTERM or SIGINT.

    Args:
        config: the configuration of the service.
        say: called with a few lines that say where the service can be reached, once it accepts requests.

    Raises:
        StartupError: the service cannot listen on the address, may not without a check of who may do what, or the
            context features contradict the stored ones.
        StorageError: the database cannot be made ready.
    """
    configure_logging(config.log_format)
    for prefix in (scratch.METRICS, scratch.RESTORE):
        scratch.remove_leftovers(prefix)
    with closing(listen(config.host, config.port)) as listener:
        require_guard(config, listener.getsockname()[0])
        make_default_directory(config)

        def tell() -> None:
            _tell(config, listener, say)

        if config.workers == 1:
            run_server(config, listener, tell)
        else:
            run_workers(config, listener, tell)


def require_guard(config: Config, address: str) -> None:
    """Check that not everybody in the network could do everything without anybody having decided so.

    Args:
        config: the configuration of the service.
        address: the one that it listens on.

    Raises:
        StartupError: they could; the message names both ways out.
    """
    if config.has_access and config.is_insecure:
        raise StartupError("--access and --insecure (HEKSHER_ACCESS, HEKSHER_INSECURE) contradict each other: take one")
    if config.is_insecure:
        logger.warning("--insecure: everybody who reaches this service may do everything")
    elif not config.has_access and not config.doc_only and not is_loopback_address(address):
        raise StartupError(
            f"others could reach the service at {address}, and would be allowed everything. Start it with --access"
            " (HEKSHER_ACCESS=true) to have it check who may do what (make the first token with heksher access token"
            " create), or with --insecure (HEKSHER_INSECURE=true) if the network decides that"
        )


def run_workers(config: Config, listener: socket.socket, when_ready: Callable[[], None]) -> None:
    """Run several servers on one socket, each in its own process, until a signal stops this process.

    Raises:
        StartupError: this system cannot fork, or no worker stays alive.
        StorageError: the database cannot be made ready.
    """
    if not hasattr(os, "fork"):
        raise StartupError("several workers need a system with fork: use one worker here, and several services")
    with open_storage(config) as storage:  # to make it ready, once
        _warn_of_gaps(config, storage)
    # Only the first start sets the context features: a later change of the list must not keep a replacement from
    # starting.
    own_config = replace(config, context_features=None)
    with sharing_metrics():
        Workers(
            config.workers,
            lambda lifeline: run_server(own_config, listener, lifeline.tell_ready, lifeline),
            when_ready=when_ready,
            when_stopping=listener.close,  # an open socket would go on queueing connections that no worker accepts
            when_ended=forget_worker,
            stop_timeout_s=GRACEFUL_SHUTDOWN_S + _CLOSING_S,
        ).run()


def run_server(
    config: Config, listener: socket.socket, when_ready: Callable[[], None], lifeline: Lifeline | None = None
) -> None:
    """Run one server in this process until a signal stops it.

    Args:
        config: the configuration of the service.
        listener: the socket to accept connections on.
        when_ready: called once, when connections are accepted.
        lifeline: connects to the parent, and the server stops when that ends; ``None`` without a parent.
    """
    app = Application(config)
    with app.run():
        if lifeline is None:  # else the parent has said it
            _warn_of_gaps(config, app.services.storage)
        metrics = app.services.metrics
        limits = make_limits(config)
        Server(
            app.front, when_ready, app.end_streams, lifeline, limits=limits, metrics=metrics, recorder=app.recorder
        ).run([listener])


def _warn_of_gaps(config: Config, storage: Storage) -> None:
    """Warn of what a service needs that is to be used, and has not."""
    if config.doc_only:
        return
    # A database that is away again already is told of by whoever follows it.
    with suppress(StorageUnavailableError):
        if not list_features(storage).content:
            logger.warning("the service has no context features, so no setting can be declared: %s", REMEDY)
        access = storage.read(lambda reader: reader.access())
        if config.has_access and not (access.tokens or access.persons or config.oidc_issuer):
            logger.warning(
                "nobody can do anything yet, as there are neither tokens nor people: make the first with heksher access"
                " token create, or heksher access person add"
            )


def make_limits(config: Config) -> HttpLimits:
    """Return what the connections of a process may take.

    Raises:
        StartupError: the system allows it too few descriptors.
    """
    return HttpLimits(
        max_connections=find_max_connections(config.max_connections),
        max_pending_bytes=max(MAX_PENDING_BYTES, _LEAST_PENDING_BODIES * config.max_body_bytes),
    )


class Server:
    """Runs an application on a loop of its own until a signal stops it.

    Args:
        app: the ASGI application.
        when_ready: called once, when connections are accepted.
        when_stopping: called once, in the event loop, as soon as the server starts to stop, to end what would not end
            by itself, such as streams. ``None`` if there is nothing to end.
        lifeline: connects to the parent, and the server stops when that ends; ``None`` without a parent.
        limits: what connections may take.
        metrics: is told of connections; ``None`` for nobody.
        recorder: is told of requests that are refused without the application; ``None`` for nobody.
    """

    def __init__(
        self,
        app: ASGIApp,
        when_ready: Callable[[], None],
        when_stopping: Callable[[], None] | None = None,
        lifeline: Lifeline | None = None,
        *,
        limits: HttpLimits | None = None,
        metrics: ConnectionMetrics | None = None,
        recorder: RefusalRecorder | None = None,
    ) -> None:
        self._app = app
        self._when_ready = when_ready
        self._when_stopping = when_stopping
        self._lifeline = lifeline
        self._limits = limits or HttpLimits()
        self._metrics = metrics
        self._recorder = recorder
        self._is_stopping = False
        # The loop and what ends it; None while it does not run.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._forced: asyncio.Event | None = None

    def run(self, listeners: list[socket.socket]) -> None:
        """Serve until a signal, or ``stop``, ends it; this closes the sockets."""
        with asyncio.Runner(loop_factory=_find_loop_factory()) as runner, self._heeding_signals():
            runner.run(self._serve(listeners))

    def stop(self, *, is_forced: bool = False) -> None:
        """Stop: answer what is under way, and accept nothing new. Safe in any thread and in the handler of a signal.

        Args:
            is_forced: do not wait for what is under way.
        """
        loop = self._loop
        is_first, self._is_stopping = not self._is_stopping, True
        # A loop that is closed has nothing left to stop.
        with suppress(RuntimeError):
            if loop is not None:
                loop.call_soon_threadsafe(self._note_stop, is_first, is_forced)

    async def _serve(self, listeners: list[socket.socket]) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stopping, self._forced = asyncio.Event(), asyncio.Event()
        server = HttpServer(self._app, self._limits, self._metrics, self._recorder)
        if self._lifeline is not None:
            loop.add_reader(self._lifeline.end_fd, self._follow_parent)
        server.start(listeners)
        self._when_ready()
        if self._is_stopping:
            # The signal came before the loop was there.
            self._note_stop(is_first=True, is_forced=False)
        await self._stopping.wait()
        await server.stop(GRACEFUL_SHUTDOWN_S, self._forced)

    def _note_stop(self, is_first: bool, is_forced: bool) -> None:
        if is_first and self._when_stopping is not None:
            self._when_stopping()
        if self._stopping is not None:
            self._stopping.set()
        if is_forced and self._forced is not None:
            self._forced.set()

    def _follow_parent(self) -> None:
        if self._loop is not None and self._lifeline is not None:
            self._loop.remove_reader(self._lifeline.end_fd)
        self.stop()

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, and exit with success then."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        former = {number: signal.signal(number, self._heed) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _heed(self, number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C means: do not wait for requests any longer. A second SIGTERM changes nothing.
        self.stop(is_forced=self._is_stopping and number == signal.SIGINT)


def _find_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes event loops: uvloop's, or the standard library's where that does not run."""
    try:
        import uvloop  # noqa: PLC0415 -- not on every system
    except ImportError:
        # The default on Windows cannot wait for sockets to accept connections on.
        return asyncio.SelectorEventLoop
    return uvloop.new_event_loop


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        StartupError: the service cannot listen there; the message says why.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name such as localhost has addresses of both families. Most programs try IPv4, some try nothing else.
        family, _, _, _, address = min(found, key=lambda candidate: candidate[0] != socket.AF_INET)
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise StartupError(
            f"cannot listen on {host} port {port}: {reason}. Choose another one with --host and --port"
            " (port 0: any free one)"
        ) from None
    return listener


def make_default_directory(config: Config) -> None:
    """Create the directory of the default database if that database is used: nobody else creates it.

    Raises:
        StartupError: the directory cannot be created; the message says why.
    """
    if config.doc_only or not config.is_default_database:
        return
    directory = Path(config.database).parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"cannot make the directory {directory} for the database: {error.strerror};"
            " say with --db where the database is to be"
        ) from None


def _tell(config: Config, listener: socket.socket, say: Callable[[str], object]) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    say(f"heksher {__version__} listens on {url} (documentation: {url}/docs)")
    say(f"database: {'none, as DOC_ONLY is set' if config.doc_only else describe_database(config.database)}")


def describe_database(database: str) -> str:
    """Return where a database is, without anything that may be a secret.

    Raises:
        StorageError: the text does not name a usable database.
    """
    if database == "memory:":
        return "in memory, so it ends with the service"
    from heksher.server.storage.dialects import dialect_for  # noqa: PLC0415 -- as in ``location``

    return dialect_for(database).place
