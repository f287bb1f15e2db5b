"""Runs the service until a signal stops it, in this process or in several forked ones."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from heksher.server.app import Application, open_storage
from heksher.server.config import Config
from heksher.server.errors import StartupError
from heksher.server.logs import configure_logging
from heksher.server.metrics import forget_worker, sharing_metrics
from heksher.server.operations.context_features import REMEDY, list_features
from heksher.server.protocol import find_protocol
from heksher.server.storage.base import Storage
from heksher.server.storage.storage_errors import StorageUnavailableError
from heksher.server.workers import Lifeline, Workers
from heksher.version import __version__

logger: logging.Logger = logging.getLogger(__name__)

# How long requests in progress may take when the server stops.
GRACEFUL_SHUTDOWN_S = 5
# How much longer a worker may take to close its storage and exit.
_CLOSING_S = 2


def run_service(config: Config, say: Callable[[str], object]) -> None:
    """Run the service until SIGTERM or SIGINT.

    Args:
        config: the configuration of the service.
        say: called with a few lines that say where the service can be reached, once it accepts requests.

    Raises:
        StartupError: the service cannot listen on the address, or the context features contradict the stored ones.
        StorageError: the database cannot be made ready.
    """
    configure_logging(config.log_format)
    with closing(listen(config.host, config.port)) as listener:
        make_default_directory(config)

        def tell() -> None:
            _tell(config, listener, say)

        if config.workers == 1:
            run_server(config, listener, tell)
        else:
            run_workers(config, listener, tell)


def run_workers(config: Config, listener: socket.socket, when_ready: Callable[[], None]) -> None:
    """Run several servers on one socket, each in its own process, until a signal stops this process.

    Raises:
        StartupError: this system cannot fork, or no worker stays alive.
        StorageError: the database cannot be made ready.
    """
    if not hasattr(os, "fork"):
        raise StartupError("several workers need a system with fork: use one worker here, and several services")
    with open_storage(config) as storage:  # to make it ready, once
        _warn_without_features(config, storage)
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
            _warn_without_features(config, app.services.storage)
        Server(app.front, when_ready, app.end_streams, lifeline).run([listener])


def _warn_without_features(config: Config, storage: Storage) -> None:
    # A database that is away again already is told of by whoever follows it.
    with suppress(StorageUnavailableError):
        if not (config.doc_only or list_features(storage)):
            logger.warning("the service has no context features, so no setting can be declared: %s", REMEDY)


# Undocumented methods of uvicorn's server that we override, and what is lost if it no longer calls them.
_HOOKS: Final = {
    "startup": "the service says that it is ready before it is, and a worker does not notice the end of its parent",
    "handle_exit": "streams are cut off when the service ends, and a signal is its exit status",
}


@cache
def find_missing_hooks() -> frozenset[str]:
    """Return the overridden methods that this uvicorn lacks; log once what is lost without them."""
    missing = frozenset(name for name in _HOOKS if not callable(getattr(uvicorn.Server, name, None)))
    for name in sorted(missing):
        logger.warning("this version of uvicorn has no Server.%s: %s", name, _HOOKS[name])
    return missing


class Server(uvicorn.Server):
    """A server that reports when it is ready, and that exits with success when a signal stops it.

    Args:
        app: the ASGI application.
        when_ready: called once, when connections are accepted.
        when_stopping: called once, in the event loop, as soon as the server starts to stop, to end what would not end
            by itself, such as streams. Some connections may still be accepted afterwards. ``None`` if there is nothing
            to end.
        lifeline: connects to the parent, and the server stops when that ends; ``None`` without a parent.
    """

    def __init__(
        self,
        app: ASGIApp,
        when_ready: Callable[[], None],
        when_stopping: Callable[[], None] | None = None,
        lifeline: Lifeline | None = None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",  # uvicorn would take an application that is not a coroutine function for ASGI 2
                http=find_protocol(),
                loop="auto",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
            )
        )
        self._when_ready = when_ready
        self._when_stopping = when_stopping
        self._lifeline = lifeline
        # None until the server has started.
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        if "startup" in find_missing_hooks():
            self._when_ready()
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        if self._lifeline is not None:
            self._loop.add_reader(self._lifeline.end_fd, self._follow_parent)
        await super().startup(sockets)
        self._when_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        if not self.should_exit and self._loop is not None and self._when_stopping is not None:
            # A signal can arrive while the loop is changing the state that this callback changes.
            self._loop.call_soon_threadsafe(self._when_stopping)
        # The original also records the signal and raises it again at the end, where it becomes the process's exit
        # status.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    def _follow_parent(self) -> None:
        if self._loop is not None and self._lifeline is not None:
            self._loop.remove_reader(self._lifeline.end_fd)
        self.handle_exit(signal.SIGTERM, None)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        StartupError: the service cannot listen there; the message says why.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name such as localhost has addresses of both families. Most programs try IPv4, some try nothing else.
        family, _, _, _, address = min(found, key=lambda candidate: candidate[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise StartupError(
            f"cannot listen on {host} port {port}: {reason}. Choose another one with --host and --port"
            " (port 0: any free one)"
        ) from None


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
    """Return a description of a database without its password."""
    if database == "memory:":
        return "in memory, so it ends with the service"
    if "://" not in database:
        return str(Path(database).absolute())
    parts = urlsplit(database)
    if parts.password is None:
        return database
    return database.replace(f":{parts.password}@", ":***@", 1)
