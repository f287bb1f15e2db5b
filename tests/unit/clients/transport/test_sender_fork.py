"""A transport in a forked child: it leaves the connections to its parent, and neither of them notices the other."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from tests.support.raw_service import RawConnection, RawService, answer_with

PROGRAM = """
import asyncio, os, ssl, sys, threading, time
import {library}
from heksher.clients.conversation.exchange import Request
from heksher.clients.transport.async_transport import AsyncTransport
from heksher.clients.transport.thread_transport import ThreadTransport
from tests.support.open_sockets import count_sockets

_, url, authority, kind, is_shared = sys.argv
trusting = ssl.create_default_context(cafile=authority)

def ask(path):
    [outcome] = yield (Request("GET", path),)
    return outcome.status

if kind == "thread":
    native, make, run = {library}.HTTPTransport(verify=trusting), ThreadTransport, lambda flow: transport.run(flow)
else:
    native, make = {library}.AsyncHTTPTransport(verify=trusting), AsyncTransport
    loop = asyncio.new_event_loop()
    run = lambda flow: loop.run_until_complete(transport.run(flow))
args = {{"transport": native}} if is_shared == "shared" else {{"verify": trusting, "timeout": {library}.Timeout(9)}}
transport = make(url, args)

if kind == "thread":
    # Requests of other threads, which are nowhere in the child, and whatever locks they may hold.
    hanging = threading.Thread(target=lambda: transport.run(ask("/hang")), daemon=True)
    hanging.start()
    while not count_sockets(url):
        time.sleep(0.001)
assert run(ask("/parent")) == 200
locks = []
if kind == "thread":
    locks = [transport._client.requests._changed, transport._client.native._transport._pool._optional_thread_lock._lock]
for lock in locks:
    lock.acquire()

child = os.fork()
if not child:
    transport.reset_after_fork()
    if kind == "async":
        loop = asyncio.new_event_loop()
    assert kind == "async" or count_sockets(url) == 0
    assert [run(ask("/child")) for _ in range(2)] == [200, 200]
    assert kind == "async" or count_sockets(url) == 1
    if kind == "thread":
        transport.close()
    os._exit(0)

assert os.waitpid(child, 0)[1] == 0
for lock in locks:
    lock.release()
assert kind == "async" or hanging.is_alive()
assert run(ask("/parent")) == 200
print("fine")
"""


@pytest.mark.trap(9)
@pytest.mark.parametrize(
    ("library", "kind", "is_shared"),
    [
        ("httpx2", "thread", "own"),
        ("httpx", "thread", "shared"),
        ("httpx", "async", "own"),
        ("httpx2", "async", "shared"),
    ],
)
def test_parent_and_child(tmp_path: Path, library: str, kind: str, is_shared: str) -> None:
    """The child sends over connections of its own, without waiting for any lock; the parent goes on with its own.

    So it is over TLS, where it would notice a word of farewell; in the middle of requests; and where the connections
    belong to an object of the program's own.
    """
    asked: list[list[str]] = []

    def handle(connection: RawConnection) -> None:
        paths: list[str] = []
        asked.append(paths)
        while request := connection.receive():
            paths.append(request.split()[1].decode())
            if paths[-1] == "/hang":
                connection.hang()
            connection.send(answer_with())

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with RawService(handle, context) as service:
        command = [sys.executable, "-c", PROGRAM.format(library=library)]
        arguments = [service.url, str(tmp_path / "authority.pem"), kind, is_shared]
        result = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert ("fine\n", 0) == (result.stdout, result.returncode), result.stderr
    expected = [["/child", "/child"], ["/parent", "/parent"]]
    assert expected == sorted(paths for paths in asked if paths != ["/hang"])
