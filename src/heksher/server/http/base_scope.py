"""What the requests of one connection have in common, as ASGI has it."""

import asyncio
from typing import Final

from starlette.types import Scope

from heksher.server.queries.stream import ABORT_EXTENSION

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


def make_base_scope(transport: asyncio.Transport) -> Scope:
    """Return the part of a scope that is the same for all requests of a connection."""
    return {
        "type": "http",
        "asgi": _ASGI,
        "scheme": "http",
        "root_path": "",
        "server": read_socket_address(transport.get_extra_info("sockname")),
        "client": find_client(transport),
        # When a client does not read, the buffers towards it fill up, and then closing the connection blocks just as
        # sending does. A stream, which sends without end, needs another way out: it aborts the connection.
        "extensions": {ABORT_EXTENSION: transport.abort},
    }


def find_client(transport: asyncio.Transport) -> tuple[str, int] | None:
    """Return the address that a connection came from; ``None`` if it has none."""
    return read_socket_address(transport.get_extra_info("peername"))


def read_socket_address(address: object) -> tuple[str, int] | None:
    """Return host and port of what a socket gives as an address; ``None`` if it is no such address."""
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
