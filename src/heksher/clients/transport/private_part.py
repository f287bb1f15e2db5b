"""The private parts of the HTTP libraries that this package uses, each behind one function.

httpx2 and httpx, and httpcore2 and httpcore below them, promise nothing about these parts. So each function looks
whether its part is there. Where it is not, the function says once in the log what is lost, and the client goes on
without it; only connections that a forked child cannot leave to its parent are an error (``PrivatePartError``).

``docs/adr/0012-private-parts.md`` lists the parts. A test finds uses that are not in that list.
"""

import logging
import math
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

logger: logging.Logger = logging.getLogger(__name__)

_LIBRARIES: Final = frozenset({"httpx", "httpx2"})
_CORES: Final = frozenset({"httpcore", "httpcore2"})
# The libraries' clients, and their transports that have connections.
_CLIENTS: Final = frozenset({"Client", "AsyncClient"})
_TRANSPORTS: Final = frozenset({"HTTPTransport", "AsyncHTTPTransport"})

# What a pool must have to begin anew in a forked child.
_POOL_STATE: Final = ("_optional_thread_lock", "_connections", "_requests")

_LOST_LIMITS: Final = (
    "a request ends by the library's own time limits only, closing does not interrupt it, and a stream may take the"
    " only connection that the program allows"
)
_LOST_INTERRUPTION: Final = "a request ends by the library's own time limits only, and closing does not interrupt it"
_LOST_COUNT: Final = "a stream may take the only connection that the program allows"
_LOST_HEADERS: Final = "a response hook of the program no longer sees how the answer was encoded"

# The parts whose absence was logged.
_logged: set[str] = set()


class PrivatePartError(Exception):
    """A part is missing without which a client must not go on."""


def find_pools(client: Any) -> list[Any]:
    """Return the connection pools of a library's client, of either kind. Other transports have none that is known."""
    pools = (find_pool(transport) for transport in _find_transports(client))
    return [pool for pool in pools if pool is not None]


def find_pool(transport: Any) -> Any | None:
    """Return the connection pool of a transport; ``None`` if it has none that is known."""
    pool = getattr(transport, "_pool", None)
    if _find_package(pool) in _CORES:
        return pool
    if _is_of_library(transport, _TRANSPORTS):
        _log_loss(transport, "_pool", _LOST_LIMITS)
    return None


def has_pool(transport: object) -> bool:
    """Return whether a transport has a connection pool, whether or not it is found."""
    return find_pool(transport) is not None or _is_of_library(transport, _TRANSPORTS)


def replace_backend(pool: Any, replace: Callable[[Any], Any]) -> None:
    """Put another network backend into a pool: what ``replace`` makes of the present one."""
    backend = getattr(pool, "_network_backend", None)
    if backend is None:
        _log_loss(pool, "_network_backend", _LOST_INTERRUPTION)
    else:
        pool._network_backend = replace(backend)


def find_stream_class(core: Any) -> Callable[..., Any] | None:
    """Return the class of blocking network streams, which is made of a connected socket; ``None`` if there is none."""
    try:
        found: Callable[..., Any] = import_module(f"{core.__name__}._backends.sync").SyncStream
    except (ImportError, AttributeError):
        _log_loss(core, "_backends.sync.SyncStream", _LOST_INTERRUPTION)
        return None
    return found


def count_connections(client: Any) -> float:
    """Return how many connections a client can have at once; infinity if that is not known."""
    return min(map(_read_max_connections, find_pools(client)), default=math.inf)


def renew_pool(transport: Any) -> object:
    """Have the pool of a library's transport begin anew in a forked child, without its parent's connections.

    Waits for no lock, as a thread of the parent may have held it.

    Returns:
        What the pool had. The child must keep it: connections that are cleared away say goodbye to the service, and are
        taken out of what the event loops of parent and child have in common.

    Raises:
        PrivatePartError: that is not possible.
    """
    pool = getattr(transport, "_pool", None)
    missing = [name for name in _POOL_STATE if not hasattr(pool, name)]
    if missing:
        raise PrivatePartError(
            f"{_describe(transport)} has no connection pool with {missing[0]}, so a forked process cannot leave its"
            " connections to its parent; give the client another transport, or create it after the fork"
        )
    lock, *inherited = [getattr(pool, name) for name in _POOL_STATE]
    for name, value in zip(_POOL_STATE, (type(lock)(), [], []), strict=True):
        setattr(pool, name, value)
    return inherited


def put_content(response: Any, content: bytes) -> None:
    """Make a response one whose body was read, and is this, after decompression."""
    response._content = content
    try:
        is_taken = response.content is content
    except RuntimeError:
        is_taken = False
    if not is_taken:
        _log_loss(response, "_content", _LOST_HEADERS)
        _read_again(response, content)


def _read_again(response: Any, content: bytes) -> None:
    """Have a response read a body that is not encoded any more, in place of the one that came."""
    for name in ("Content-Encoding", "Content-Length"):
        response.headers.pop(name, None)
    response.stream = sys.modules[_find_package(response)].ByteStream(content)
    response.is_stream_consumed = response.is_closed = False
    response.read()


def _find_transports(client: Any) -> list[Any]:
    transport = getattr(client, "_transport", None)
    mounts = getattr(client, "_mounts", {})
    if _is_of_library(client, _CLIENTS):
        if transport is None:
            _log_loss(client, "_transport", _LOST_LIMITS)
        if not hasattr(client, "_mounts"):
            _log_loss(client, "_mounts", f"with a proxy or mounts, {_LOST_LIMITS}")
    return [transport, *mounts.values()]


def _read_max_connections(pool: Any) -> float:
    count: float | None = getattr(pool, "_max_connections", None)
    if count is None:
        _log_loss(pool, "_max_connections", _LOST_COUNT)
        return math.inf
    return count


def _log_loss(owner: Any, part: str, loss: str) -> None:
    name = _describe(owner)
    if f"{name}.{part}" not in _logged:
        _logged.add(f"{name}.{part}")
        logger.warning("%s has no %s, which this version of heksher makes use of: %s", name, part, loss)


def _describe(owner: Any) -> str:
    package = _find_package(owner)
    version = getattr(sys.modules.get(package), "__version__", "of an unknown version")
    name = f"{package} {version}"
    return name if owner is sys.modules.get(package) else f"{type(owner).__name__} of {name}"


def _find_package(thing: object) -> str:
    name: str = getattr(thing, "__name__", "") or type(thing).__module__
    return name.partition(".")[0]


def _is_of_library(thing: object, names: frozenset[str]) -> bool:
    """Return whether something is of a class of the libraries with one of these names, or of one derived from it."""
    kinds = type(thing).__mro__
    return any(kind.__name__ in names and kind.__module__.partition(".")[0] in _LIBRARIES for kind in kinds)
