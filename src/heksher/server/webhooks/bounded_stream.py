"""A connection of which only so much is read: a receiver whose answer has no end is to keep nobody busy."""

import ssl
from typing import Any, Final

from httpcore2 import AsyncNetworkStream

from heksher.server.webhooks.sending_error import SendingError

# Of all that is read of an answer, until its status is known: far more than heads have.
MAX_ANSWER_BYTES: Final = 32 * 1024


class EndlessAnswerError(SendingError):
    """An answer has no end."""


class BoundedStream(AsyncNetworkStream):
    """A connection to a receiver.

    Args:
        inner: the connection proper.
    """

    def __init__(self, inner: AsyncNetworkStream) -> None:
        self._inner = inner
        self._left_bytes = MAX_ANSWER_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - the library's
        """Read some bytes.

        Raises:
            EndlessAnswerError: enough was read already.
        """
        if self._left_bytes <= 0:
            raise EndlessAnswerError("its answer has no end")
        data = await self._inner.read(min(max_bytes, self._left_bytes), timeout)
        self._left_bytes -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> AsyncNetworkStream:
        return BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
