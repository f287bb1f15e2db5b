"""Any ASGI application under the service's own server, on a thread of this process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from heksher.server.run import Server, listen
from tests.support.processes import DEADLINE_S


@contextmanager
def serving(app, when_stopping: Callable[[], None] | None = None, **options) -> Iterator[tuple[str, Server]]:
    """Run a server; return its URL and the server, which has ended when the block has.

    Args:
        app: the application.
        when_stopping: called when the server starts to stop.
        options: further arguments of the server.
    """
    ready = threading.Event()
    server = Server(app, ready.set, when_stopping, **options)
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert ready.wait(DEADLINE_S)
        try:
            yield url, server
        finally:
            server.stop()
            thread.join(DEADLINE_S)
        assert not thread.is_alive()
