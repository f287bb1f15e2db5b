"""What the requests of one connection have in common, as ASGI has it."""

import asyncio
from typing import Final

from starlette.types import Scope

from heksher.server.queries.stream import ABORT_EXTENSION

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


def make_base_scope(transport: asyncio.Transport, client: tuple[str, int] | None) -> Scope:
    """Return the part of a scope that is the same for all requests of a connection.

    Args:
        transport: of the connection.
        client: where it comes from. The transport of one that was reset meanwhile does not know.
    """
    return {
        "type": "http",
        "asgi": _ASGI,
        "scheme": "http",
        "root_path": "",
        "server": read_socket_address(transport.get_extra_info("sockname")),
        "client": client,
        # When a client does not read, the buffers towards it fill up, and then closing the connection blocks just as
        # sending does. A stream, which sends without end, needs another way out: it aborts the connection.
        "extensions": {ABORT_EXTENSION: transport.abort},
    }


def read_socket_address(address: object) -> tuple[str, int] | None:
    """Return host and port of what a socket gives as an address; ``None`` if it is no such address."""
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
