"""How many connections a process can have: each takes a descriptor, and others are needed for all else."""

from typing import Final

from heksher.server.errors import StartupError

# What a process needs besides connections: two pools of connections to the database, each with a file or two, files of
# metrics, the log, the event loop, and one connection more than the cap while another makes room.
_OTHER_DESCRIPTORS: Final = 64
_LEAST_CONNECTIONS: Final = 16
# The most that the standard library's event loop can wait for on Windows, less those others.
_MAX_WITHOUT_LIMIT: Final = 512 - _OTHER_DESCRIPTORS


def find_max_connections(configured: int) -> int:
    """Return how many connections this process may have.

    Args:
        configured: how many it is to have at most.

    Raises:
        StartupError: the system allows it too few descriptors.
    """
    allowed = _count_descriptors() - _OTHER_DESCRIPTORS
    if allowed < _LEAST_CONNECTIONS:
        raise StartupError(
            f"the limit of file descriptors is {allowed + _OTHER_DESCRIPTORS}, which leaves too few for connections:"
            f" allow at least {_OTHER_DESCRIPTORS + _LEAST_CONNECTIONS} (ulimit -n)"
        )
    return min(configured, allowed)


def _count_descriptors() -> int:
    try:
        import resource  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return _MAX_WITHOUT_LIMIT + _OTHER_DESCRIPTORS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft
