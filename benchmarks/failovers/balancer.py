"""A load balancer: each connection goes to the next replica that takes it."""

import asyncio
import itertools
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_CHUNK_BYTES: Final = 65536


class Balancer:
    """Stands in front of replicas. A context manager, which ends it.

    Args:
        urls: of the replicas.

    Attributes:
        url: where it is.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._ports = [int(urlsplit(url).port or 80) for url in urls]
        self._turns = itertools.cycle(self._ports)
        # Of the connections that are open, both ends.
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        passing = asyncio.all_tasks() - {asyncio.current_task()}
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            replica_reader, replica_writer = await self._connect()
        except OSError:
            writer.close()
            return
        ends = {writer, replica_writer}
        self._writers |= ends
        await asyncio.gather(_copy(reader, replica_writer), _copy(replica_reader, writer))
        self._writers -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the next replica, or to another one if that is not there.

        Raises:
            OSError: none is there.
        """
        for _ in self._ports[1:]:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", next(self._turns))
        return await asyncio.open_connection("127.0.0.1", next(self._turns))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes in until the end of it."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
