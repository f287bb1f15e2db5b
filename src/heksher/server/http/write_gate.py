"""Where an application waits while the client does not take what was sent."""

import asyncio


class WriteGate:
    """Lets an application send, or makes it wait.

    Args:
        loop: the event loop.

    Attributes:
        is_shut: whether too much waits to be sent.
    """

    __slots__ = ("_loop", "_opened", "is_shut")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.is_shut: bool = False
        # What the application waits on; None while it does not.
        self._opened: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until the gate is opened, or everybody is let through."""
        if self._opened is None:
            self._opened = self._loop.create_future()
        # Shielded, because several tasks of an application may wait.
        await asyncio.shield(self._opened)

    def let_through(self) -> None:
        """Let those through who wait now."""
        if self._opened is not None:
            if not self._opened.done():
                self._opened.set_result(None)
            self._opened = None
