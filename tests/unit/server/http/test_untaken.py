"""How much of what was sent a client has not taken."""

import socket
import sys

import pytest

from heksher.server.http.untaken import count_untaken
from heksher.server.run import listen
from tests.support.raw_client import connecting
from tests.support.waiting import wait_until

SIZE = 100_000


class Transport:
    """One that waits with seven bytes.

    Args:
        native: its socket.
    """

    def __init__(self, native: socket.socket) -> None:
        self._native = native

    def get_write_buffer_size(self) -> int:
        return 7

    def get_extra_info(self, name: str) -> socket.socket:
        assert "socket" == name
        return self._native


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_what_the_system_has_counts_until_the_client_has_it():
    """With what the system does not have yet; of a connection that is closed only that is known."""
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with connecting(url, buffer_bytes=8_192) as client:
            native, _ = listener.accept()
            transport = Transport(native)
            native.sendall(b"x" * SIZE)
            assert 7 < count_untaken(transport) < 7 + SIZE
            native.shutdown(socket.SHUT_WR)
            assert SIZE == len(client.read_to_end())
            assert wait_until(lambda: count_untaken(transport) == 7)
            native.close()
            assert 7 == count_untaken(transport)
