"""How many sockets this process holds open because of one service: a test that leaves none looks here.

Services and clients of other tests may live beside it in the process, and open connections of their own at any time.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.waiting import wait_until

# The tables of a network that sockets are listed in. One that is in none is not connected, or not any more.
_TABLES = ("tcp", "tcp6", "udp", "udp6", "unix", "netlink")
_COLUMN_OF_INODE = {"tcp": 9, "tcp6": 9, "udp": 9, "udp6": 9, "unix": 6, "netlink": 9}


def count_sockets(url: str) -> int:
    """Count the open sockets of this process with an end at a service's port, and those that are not connected.

    Args:
        url: where the service is, with its port.
    """
    port = urlsplit(url).port
    assert port is not None
    seen = set(_own_sockets())
    elsewhere = {inode for inode, ports in _listed() if port not in ports}
    # What was opened or closed meanwhile may be in no table, and is nobody's leak.
    return len(seen.intersection(_own_sockets()) - elsewhere)


def await_sockets(url: str, number: int) -> int:
    """Wait until no more than so many are open, and give how many there are."""
    wait_until(lambda: count_sockets(url) <= number)
    return count_sockets(url)


def _own_sockets() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            kind, _, inode = descriptor.readlink().name.partition(":[")
            if kind == "socket":
                yield inode.rstrip("]")


def _listed() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Give the number of each socket, with the ports of its ends, of which there are none where it has no ports."""
    for table in _TABLES:
        with suppress(FileNotFoundError):
            for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                ports = [int(end.rpartition(":")[2], 16) for end in fields[1:3]] if table.startswith("tcp") else []
                yield fields[_COLUMN_OF_INODE[table]], tuple(ports)
