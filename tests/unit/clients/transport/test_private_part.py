"""The private parts of the HTTP libraries: what they are found by, and what is left when one is taken away."""

import asyncio
import math
import sys
from importlib import import_module
from typing import Any

import httpx2
import pytest

from heksher.clients.transport import private_part
from heksher.clients.transport.private_part import (
    PrivatePartError,
    count_connections,
    find_pool,
    find_pools,
    find_stream_class,
    has_pool,
    put_content,
    renew_pool,
    replace_backend,
)
from tests.support.processes import run_python
from tests.support.raw_service import RawService, always, answer_with
from tests.support.transports import LIBRARIES, compress

CORES = {"httpx2": "httpcore2", "httpx": "httpcore"}
OK = always(answer_with(body=b"{}"))


@pytest.fixture(params=["httpx2", "httpx"])
def library(request: pytest.FixtureRequest) -> Any:
    return LIBRARIES[request.param]


@pytest.fixture(params=["Client", "AsyncClient"])
def client(request: pytest.FixtureRequest, library: Any) -> Any:
    return getattr(library, request.param)(trust_env=False)


@pytest.fixture(params=["HTTPTransport", "AsyncHTTPTransport"])
def transport(request: pytest.FixtureRequest, library: Any) -> Any:
    return getattr(library, request.param)(verify=False)


@pytest.fixture(autouse=True)
def _nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_part, "_logged", set())


def read_losses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == private_part.__name__]


def expect_loss(caplog: pytest.LogCaptureFixture, owner: str, part: str, loss: str) -> None:
    """One line of the log names the part, whose it was, and what is lost."""
    [message] = read_losses(caplog)
    assert message.startswith(owner)
    assert f" has no {part}, " in message
    assert loss in message


# ---- nothing is missing


def test_all_parts_are_there(client: Any, library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The libraries of this environment have every part, so nothing is said to be lost."""
    [pool] = find_pools(client)
    replace_backend(pool, lambda backend: backend)
    core = import_module(CORES[library.__name__])
    assert find_stream_class(core) is not None
    assert count_connections(client) > 1
    response = library.Response(200, stream=library.ByteStream(b"read by nobody"))
    put_content(response, b"put")
    assert b"put" == response.content
    assert [] == read_losses(caplog)


def test_pools_of_mounts(library: Any) -> None:
    """The pools of what the program has mounted are found, too; what is mounted may be nothing."""
    mounted = library.HTTPTransport(verify=False)
    client = library.Client(mounts={"https://": mounted, "http://": None}, trust_env=False)
    assert [client._transport._pool, mounted._pool] == find_pools(client)


# ---- each part taken away


@pytest.mark.parametrize("part", ["_transport", "_mounts"])
def test_client_without_transports(client: Any, part: str, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be found is not found, and that is said once."""
    delattr(client, part)
    for _ in range(2):
        assert (0 if part == "_transport" else 1) == len(find_pools(client))
    expect_loss(caplog, f"{type(client).__name__} of httpx", part, "a request ends by the library's own time limits")


def test_transport_without_pool(transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A transport of the library without a pool is known to have connections all the same."""
    del transport._pool
    assert find_pool(transport) is None
    assert has_pool(transport)
    expect_loss(caplog, f"{type(transport).__name__} of httpx", "_pool", "closing does not interrupt it")


def test_transports_of_the_programs_own(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A transport that has no connections as far as is known is nothing to warn of."""
    for transport in (library.MockTransport(repr), object(), None):
        assert not has_pool(transport)
    assert math.inf == count_connections(library.Client(transport=library.MockTransport(repr), trust_env=False))
    assert [] == read_losses(caplog)


def test_pool_without_backend(transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Without a network backend nothing is replaced."""
    del transport._pool._network_backend
    replace_backend(transport._pool, lambda _backend: object())
    assert not hasattr(transport._pool, "_network_backend")
    expect_loss(caplog, f"{type(transport._pool).__name__} of httpcore", "_network_backend", "does not interrupt it")


@pytest.mark.parametrize("is_module_there", [True, False])
def test_core_without_stream_class(
    library: Any, is_module_there: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the class of blocking streams, or its module, there is none."""
    core = import_module(CORES[library.__name__])
    name = f"{core.__name__}._backends.sync"
    if is_module_there:
        monkeypatch.delattr(import_module(name), "SyncStream")
    else:
        monkeypatch.setitem(sys.modules, name, None)
    assert find_stream_class(core) is None
    expect_loss(caplog, core.__name__, "_backends.sync.SyncStream", "does not interrupt it")


def test_pool_without_maximum(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A pool that does not say how many connections it may have counts as one without a limit."""
    del client._transport._pool._max_connections
    assert math.inf == count_connections(client)
    owner = f"{type(client._transport._pool).__name__} of httpcore"
    expect_loss(caplog, owner, "_max_connections", "a stream may take the only connection")


@pytest.mark.parametrize("part", ["_pool", "_optional_thread_lock", "_connections", "_requests"])
def test_pool_that_cannot_begin_anew(transport: Any, part: str) -> None:
    """Without a part of its state a pool is left as it is, which is an error: a child would use its parent's."""
    if part == "_pool":
        pool = transport.__dict__.pop(part)
    else:
        pool = transport._pool
        delattr(pool, part)
    before = dict(pool.__dict__)
    with pytest.raises(PrivatePartError, match="cannot leave its connections to its parent"):
        renew_pool(transport)
    assert before == pool.__dict__


def test_pool_that_begins_anew(transport: Any) -> None:
    """A pool has no connections or requests afterwards, nor a lock that somebody holds; what it had is returned."""
    pool = transport._pool
    pool._connections, pool._requests = connections, requests = [object()], [object()]
    lock = pool._optional_thread_lock
    assert [connections, requests] == renew_pool(transport)
    assert ([], []) == (pool._connections, pool._requests)
    assert type(lock) is type(pool._optional_thread_lock)
    assert lock is not pool._optional_thread_lock


class LaterResponse:
    """A response that has its body elsewhere than it used to."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def __call__(self, status: int, **options: Any) -> Any:
        class Response(self._library.Response):  # type: ignore[misc,name-defined]
            @property
            def content(self) -> bytes:
                if "_later_content" not in self.__dict__:
                    raise RuntimeError("not read")
                content: bytes = self._later_content
                return content

            def read(self) -> bytes:
                self._later_content = b"".join(self.iter_bytes())
                return self.content

        Response.__module__ = f"{self._library.__name__}._models"
        return Response(status, **options)


def test_response_without_content(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A body that cannot be put into its place is read by the library once more, without its encoding."""
    headers = {"Content-Encoding": "gzip", "Content-Length": "3", "ETag": '"1"'}
    response = LaterResponse(library)(200, headers=headers, stream=library.ByteStream(compress(b"sent", 31)))
    assert list(response.iter_raw())
    put_content(response, b"put")
    assert b"put" == response.content
    assert {"etag": '"1"'} == dict(response.headers)
    expect_loss(caplog, "Response of httpx", "_content", "no longer sees how the answer was encoded")


# ---- clients without them


# With those that a fork needs, and that every answer is put into, see tests/process_models/test_private_parts.py.
PROGRAM = """
import logging, sys
from tests.support.later_library import rename_parts
_, url, *parts = sys.argv
rename_parts(*parts)
from tests.support.transports import HEALTH, LIBRARIES, ask, run_in_loop, run_in_thread
logging.basicConfig(stream=sys.stdout, format="%(message)s")
for library in LIBRARIES.values():
    mounts = {"all://nowhere.test": None}
    for run in (run_in_loop, run_in_thread):
        [outcome] = run(ask(HEALTH), url, {"timeout": library.Timeout(9), "mounts": mounts})
        print(outcome.status, outcome.body)
"""


@pytest.mark.parametrize(
    ("parts", "losses"),
    [(("_mounts",), 4), (("_transport", "_max_connections"), 4), (("_network_backend",), 4), (("SyncStream",), 2)],
    ids=["mounts", "transport", "backend", "stream class"],
)
def test_requests_without_a_part(parts: tuple[str, ...], losses: int) -> None:
    """Requests are sent and answered in versions of both libraries that have another name for a part.

    What is lost is said once for each kind of object that should have the part.
    """
    with RawService(OK) as service:
        lines = run_python(["-", service.url, *parts], PROGRAM)
    assert 4 == lines.count("200 b'{}'")
    assert losses == len([line for line in lines if f" has no {parts[0]}," in line.replace("_backends.sync.", "")])


def test_what_is_missing_is_said_once(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """However many clients there are: what is lost is said once in a process."""
    for _ in range(3):
        client = library.AsyncClient(trust_env=False)
        del client._transport._pool._max_connections
        count_connections(client)
        asyncio.run(client.aclose())
    assert 1 == len(read_losses(caplog))


def test_version_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """The log says which version of which library it is."""
    native = httpx2.HTTPTransport(verify=False)
    del native._pool
    find_pool(native)
    assert read_losses(caplog)[0].startswith(f"HTTPTransport of httpx2 {httpx2.__version__} has no _pool, ")
