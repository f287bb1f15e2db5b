"""A connection of somebody who means ill: sends what it wants, and reads when it wants."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

_PATIENCE_S: Final = 2.0
# Thousands of connections of one program take their time alone to be opened.
_CONNECT_S: Final = 30.0


class Stranger:
    """One connection to the victim.

    Args:
        reader: what comes from it.
        writer: what goes to it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes, patience_s: float = _PATIENCE_S) -> bool:
        """Send bytes; return whether the victim has taken them, or most of them, in a while."""
        try:
            self._writer.write(data)
            await asyncio.wait_for(self._writer.drain(), patience_s)
        except (OSError, TimeoutError):
            return False
        return not self._writer.is_closing()

    async def flood(self, piece: bytes, size: int) -> int:
        """Send a piece again and again, up to a size; return how many bytes the victim has taken."""
        taken = 0
        while taken < size and await self.send(piece):
            taken += len(piece)
        return taken

    async def read_status(self, patience_s: float = _PATIENCE_S) -> str:
        """Return the status of the next answer, or what came in its place."""
        try:
            line = await asyncio.wait_for(self._reader.readline(), patience_s)
        except TimeoutError:
            return "no answer"
        except OSError:
            return "a reset"
        return line.split()[1].decode() if len(line.split()) > 1 else "the end"

    async def read_head(self) -> None:
        """Read the head of an answer that has no body."""
        await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), _PATIENCE_S)

    async def drain(self) -> int:
        """Read whatever comes until nothing does; return how much."""
        size = 0
        with suppress(OSError, TimeoutError):
            while part := await asyncio.wait_for(self._reader.read(1 << 16), _PATIENCE_S):
                size += len(part)
        return size

    def is_ended(self) -> bool:
        """Return whether the victim has ended the connection, as far as this end has heard."""
        return self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing()


@asynccontextmanager
async def visiting(port: int) -> AsyncIterator[Stranger]:
    """Connect to a port of this machine; the connection is reset at the end of the block.

    Raises:
        OSError: nobody lets it in.
    """
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, limit=1 << 20), _CONNECT_S)
    try:
        yield Stranger(reader, writer)
    finally:
        writer.transport.abort()
