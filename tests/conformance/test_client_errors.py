"""The errors of both clients, as existing programs catch them: by the classes of httpx."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import httpx
import httpx2
import pytest

from heksher import Setting
from heksher.exceptions import HeksherError, InvalidResponseError, ServiceError, StatusError, TransportError
from tests.support.drivers import Driver
from tests.support.fake_service import FEATURES, HEALTH, QUERY, SETTINGS, Behaviour, FakeService, answer, fail

# How a request may fail: (behaviour, our class, the class of httpx).
FAILURES = {
    "status": (answer(500, "oops"), StatusError, "HTTPStatusError"),
    "redirect": (answer(302), StatusError, "HTTPStatusError"),
    "not JSON": (answer(200, "<html>"), InvalidResponseError, "DecodingError"),
    "another shape": (answer(200, []), InvalidResponseError, "DecodingError"),
    "refused": (fail(httpx2.ConnectError("no")), TransportError, "ConnectError"),
    "connect timeout": (fail(httpx2.ConnectTimeout("no")), TransportError, "ConnectTimeout"),
    "read timeout": (fail(httpx2.ReadTimeout("no")), TransportError, "ReadTimeout"),
    "broken off": (fail(httpx2.RemoteProtocolError("no")), TransportError, "RemoteProtocolError"),
    "redirects": (fail(httpx2.TooManyRedirects("no")), TransportError, "TooManyRedirects"),
    "unforeseen": (fail(OSError("no")), TransportError, "TransportError"),
    "timeout of a transport": (fail(TimeoutError("no")), TransportError, "TimeoutException"),
}
failures = pytest.mark.parametrize(("behaviour", "kind", "name"), FAILURES.values(), ids=FAILURES.keys())

# Which call meets which path.
CALLS = {"set_as_main": QUERY, "reload": QUERY, "ping": HEALTH, "get_settings": SETTINGS}


def provoke(driver: Driver, service: FakeService, method: str, behaviour: Behaviour) -> ServiceError:
    """Have a call fail, and return its error."""
    client = driver.create(service, on_start_failure="raise")
    if method == "reload":
        client.start()
    with service.behaving(CALLS[method], behaviour), pytest.raises(ServiceError) as caught:
        client.call(method)
    return caught.value


@failures
@pytest.mark.parametrize("method", CALLS)
def test_errors_are_of_httpx_and_of_httpx2(
    driver: Driver, service: FakeService, method: str, behaviour: Behaviour, kind: type[Exception], name: str
):
    """Each call raises an error that is ours, and of the same class in either HTTP library."""
    error = provoke(driver, service, method, behaviour)
    assert isinstance(error, kind)
    assert isinstance(error, HeksherError)
    assert isinstance(error, getattr(httpx2, name))
    assert isinstance(error, getattr(httpx, name))


@pytest.mark.parametrize("method", CALLS)
def test_a_status_error_has_request_and_response(driver: Driver, service: FakeService, method: str):
    """``error.response`` and ``error.request`` are those of the failed request."""
    error = provoke(driver, service, method, answer(503, "oops"))
    assert (503, "oops") == (error.response.status_code, error.response.text)
    assert CALLS[method].partition(" ")[2] == error.request.url.path
    assert CALLS[method] in str(error)
    assert "503: oops" in str(error)


def test_a_transport_error_has_a_request(driver: Driver, service: FakeService):
    """``error.request`` is the request that got no answer, and the cause is the library's own error."""
    native = httpx2.ConnectError("refused")
    error = provoke(driver, service, "ping", fail(native))
    assert ("/api/health", native, native) == (error.request.url.path, error.native, error.__cause__)
    assert "GET /api/health got no answer from http://heksher.test: ConnectError: refused" == str(error)


@failures
def test_errors_can_be_pickled_and_copied(
    driver: Driver, service: FakeService, behaviour: Behaviour, kind: type[Exception], name: str
):
    """As multiprocessing and task queues do; the message and our class survive."""
    error = provoke(driver, service, "ping", behaviour)
    pickled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    for same in (pickled, copy.copy(error), copy.deepcopy(error)):
        assert (kind, str(error)) == (type(same), str(same))


def test_long_answers_are_shortened(driver: Driver, service: FakeService):
    """An error page of megabytes does not become a message of megabytes."""
    error = provoke(driver, service, "ping", answer(500, "x" * 1_000_000))
    assert len(str(error)) < 1000


def test_answers_that_are_no_text(driver: Driver, service: FakeService):
    """Bytes that are not UTF-8 are shown as far as possible."""
    error = provoke(driver, service, "ping", lambda _request: httpx2.Response(200, content=b"\xff\xfe{"))
    assert isinstance(error, InvalidResponseError)


@pytest.mark.trap(25)
def test_get_settings(driver: Driver, service: FakeService):
    """All settings of the service come by name, with all their attributes; no start is needed."""
    service.set_default("one", 1)
    service.set_default("old", {"k": [1]})
    service.rename("old", "new")
    settings = driver.create(service).get_settings()
    assert ["new", "one"] == sorted(settings)
    new = settings["new"]
    assert ("new", ("a", "b", "c"), "int", {"k": [1]}, {}, ("old",), "1.0") == (
        new.name,
        tuple(new.configurable_features),
        new.type,
        new.default_value,
        new.metadata,
        tuple(new.aliases),
        new.version,
    )
    assert ["true"] == [request.url.params["include_additional_data"] for request in service.asked(SETTINGS)]


@pytest.mark.trap(25)
@pytest.mark.parametrize(
    "listed",
    [None, {}, [None], [{}], [{"name": "s"}], [{"name": 1, "type": "int"}]],
)
def test_get_settings_of_another_shape(driver: Driver, service: FakeService, listed: object):
    """A list that is not what the API promises is an ``httpx.HTTPError``."""
    error = provoke(driver, service, "get_settings", answer(200, {"settings": listed}))
    assert isinstance(error, InvalidResponseError)


# A program that never imports httpx itself; what it catches is found in sys.modules when the error is raised.
PROGRAM = """
import asyncio, sys, heksher
assert "httpx" not in sys.modules and "httpx2" not in sys.modules, "the HTTP library loads with the first client"

async def use_async():
    client = heksher.AsyncHeksherClient("http://127.0.0.1:9", 60, ["a"])
    try:
        await client.set_as_main()
    except Exception as error:
        return error

def use_thread():
    client = heksher.ThreadHeksherClient("http://127.0.0.1:9", 60, ["a"])
    try:
        client.ping()
    except Exception as error:
        return error

for use in (lambda: asyncio.run(use_async()), use_thread):
    error = use()
    import httpx2
    assert isinstance(error, httpx2.ConnectError), type(error).__mro__
    assert isinstance(error, heksher.exceptions.TransportError)
    assert "httpx" not in sys.modules

import httpx
for use in (lambda: asyncio.run(use_async()), use_thread):
    error = use()
    assert isinstance(error, httpx.ConnectError) and isinstance(error, httpx2.ConnectError)
print("fine")
"""


def test_a_program_without_httpx(tmp_path: Path):
    """Errors are httpx2's where httpx is not imported, httpx is never imported for them, and both where it is."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM, encoding="utf-8")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert ("fine\n", 0) == (result.stdout, result.returncode), result.stderr


def test_a_program_that_catches_httpx(driver: Driver, service: FakeService):
    """The ``except`` clauses of existing programs work."""
    client = driver.create(service, on_start_failure="raise")
    caught = []
    for behaviour in (answer(500), fail(httpx2.ConnectError("no")), fail(httpx2.PoolTimeout("no"))):
        with service.behaving(FEATURES, behaviour):
            try:
                client.start()
            except httpx.HTTPStatusError as error:
                caught.append(error.response.status_code)
            except httpx.TimeoutException as error:
                caught.append(error.request.method)
            except httpx.ConnectError as error:
                caught.append(str(error.request.url))
    assert [500, "http://heksher.test/api/v1/context_features", "GET"] == caught


def test_errors_of_values_are_not_wrapped(driver: Driver, service: FakeService):
    """An error inside one setting is no error of the update."""
    setting = Setting("s", int, ["a"], 0)
    service.set_default("s", "wrong")
    driver.start(service).reload()
    assert 0 == setting.get()
