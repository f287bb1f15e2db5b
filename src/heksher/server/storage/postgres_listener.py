"""Receives writes through PostgreSQL's ``LISTEN``, on a connection and in a thread of its own.

The thread connects, and reconnects whenever the connection is lost. Meanwhile, or if the server refuses, waits end by
their timeout, as for any listener. Each time the thread starts to listen it ends a wait, because something may have
been written before.
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg

from heksher.server.storage.listener import Listener

logger: logging.Logger = logging.getLogger(__name__)

RECONNECT_INTERVAL_S: Final = 1.0
# How long close waits for the thread, which may be connecting to a server that does not answer.
_END_TIMEOUT_S: Final = 1.0


class PostgresListener(Listener):
    """Listens for revisions.

    Args:
        connect: returns a new connection with autocommit.
        channel: the channel to listen on; its messages have the name of a schema, a space and a revision.
    """

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], channel: str) -> None:
        super().__init__()
        self._connect = connect
        self._channel = channel
        # Closing the sender makes the receiver readable, which tells the thread's selector that the thread must end.
        self._end_sender, self._end_receiver = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="heksher listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        super().close()
        self._end_sender.close()
        self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        with self._end_receiver, selectors.DefaultSelector() as end:
            end.register(self._end_receiver, selectors.EVENT_READ)
            is_ending = False
            while not is_ending:
                earliest_retry = time.monotonic() + RECONNECT_INTERVAL_S
                try:
                    self._listen()
                except psycopg.Error as error:
                    # Only a debug message: the updater polls the revision anyway, and logs if the server is
                    # unreachable.
                    logger.debug("writes of other processes are not heard of, only looked for: %s", error)
                is_ending = bool(end.select(max(0, earliest_retry - time.monotonic())))

    def _listen(self) -> None:
        """Listen until the end; raise the driver's error if the connection is lost."""
        with self._connect() as connection, selectors.DefaultSelector() as ready:
            connection.execute(f'LISTEN "{self._channel}"'.encode())
            [schema] = connection.execute("SELECT current_schema()").fetchone() or [None]
            self.interrupt()
            ready.register(self._end_receiver, selectors.EVENT_READ)
            ready.register(connection, selectors.EVENT_READ)
            while self._end_receiver not in [key.fileobj for key, _ in ready.select()]:
                self._hear(connection, f"{schema} ")

    def _hear(self, connection: "psycopg.Connection[Any]", beginning: str) -> None:
        for notification in connection.notifies(timeout=0):
            if notification.payload.startswith(beginning):
                self.interrupt()
