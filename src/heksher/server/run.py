"""Running the service in this process, until a signal ends it."""

import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import uvicorn

from heksher.server.app import Application
from heksher.server.config import Config
from heksher.server.errors import StartupError
from heksher.server.logs import configure_logging
from heksher.version import __version__

# How long requests that are being answered at the end may still take.
GRACEFUL_SHUTDOWN_S = 5


def run_service(config: Config, host: str, port: int, say: Callable[[str], object]) -> None:
    """Run the service until SIGTERM or SIGINT.

    Args:
        config: what to run.
        host: the name or address to listen on.
        port: the port to listen on; 0 lets the system choose.
        say: told in a few lines where the service is, once it answers.

    Raises:
        StartupError: the address cannot be listened on, or the context features contradict the stored ones.
        StorageError: the database cannot be made ready.
    """
    configure_logging(config.log_format)
    with closing(listen(host, port)) as listener:
        make_default_directory(config)
        app = Application(config)
        with app.run():
            server = Server(
                uvicorn.Config(
                    app,
                    http="httptools",
                    loop="auto",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
                ),
                when_ready=lambda: _tell(config, listener, say),
            )
            server.run([listener])


class Server(uvicorn.Server):
    """A server that says when it is ready, and that ends with success when a signal asks it to end.

    Args:
        config: of the server.
        when_ready: called once, when connections are accepted.
    """

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del frame
        # Unlike the original this does not note the signal down, which would be raised again in the end and become the
        # process's exit status.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        StartupError: that is not possible; the message says why.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name such as localhost has addresses of both families, and most programs try the older one, if only it.
        family, _, _, _, address = min(found, key=lambda candidate: candidate[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise StartupError(
            f"cannot listen on {host} port {port}: {reason}. Choose another one with --host and --port"
            " (port 0: any free one)"
        ) from None


def make_default_directory(config: Config) -> None:
    """Make the directory of the default database, if that is the one to use: nobody else has made it.

    Raises:
        StartupError: that is not possible; the message says why.
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
    """Describe a database without its password."""
    if database == "memory:":
        return "in memory, so it ends with the service"
    if "://" not in database:
        return str(Path(database).absolute())
    parts = urlsplit(database)
    if parts.password is None:
        return database
    return database.replace(f":{parts.password}@", ":***@", 1)
