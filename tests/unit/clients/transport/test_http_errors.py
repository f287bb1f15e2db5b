"""Errors as the programs get them: ours, and those of the HTTP libraries that are imported."""

import copy
import pickle
import subprocess
import sys

import httpx
import httpx2
import pytest

from heksher.clients.transport.http_errors import as_http_error, raised_as_http_errors
from heksher.exceptions import InvalidResponseError, ServiceError, StatusError, TransportError

URL = "http://heksher.test"
RESPONSE = httpx2.Response(500, request=httpx2.Request("GET", URL))


def raise_to_program(error: ServiceError) -> ServiceError:
    """Return the error that a program gets."""
    with pytest.raises(type(error)) as raised, raised_as_http_errors():
        raise error
    return raised.value


@pytest.mark.parametrize(
    ("error", "classes"),
    [
        (TransportError("m", httpx2.ConnectTimeout("n")), (httpx2.ConnectTimeout, httpx.ConnectTimeout)),
        (TransportError("m", httpx.ReadError("n")), (httpx2.ReadError, httpx.ReadError)),
        (TransportError("m", TimeoutError("n")), (httpx2.TimeoutException, httpx.TimeoutException)),
        (TransportError("m", ValueError("n")), (httpx2.TransportError, httpx.TransportError)),
        (TransportError("m", httpx2.InvalidURL("n")), (httpx2.TransportError, httpx.TransportError)),
        (TransportError("m"), (httpx2.TransportError, httpx.TransportError)),
        (StatusError("m", RESPONSE), (httpx2.HTTPStatusError, httpx.HTTPStatusError)),
        (InvalidResponseError("m", RESPONSE), (httpx2.DecodingError, httpx.DecodingError)),
    ],
)
def test_error_is_one_of_both_libraries(error: ServiceError, classes: tuple[type[Exception], type[Exception]]) -> None:
    """A program can catch an error as ours, or as the matching one of either library."""
    raised = raise_to_program(error)
    for kind in (*classes, httpx2.HTTPError, httpx.HTTPError, type(error)):
        assert isinstance(raised, kind)
    assert ("m", error.native) == (str(raised), raised.native)
    assert type(error).__name__ == type(raised).__name__
    assert repr(error) == repr(raised)


def test_cause_is_the_error_of_the_library() -> None:
    """Where the library raised an error, it is the cause; a response is none."""
    native = httpx2.ConnectError("n")
    assert raise_to_program(TransportError("m", native)).__cause__ is native
    assert raise_to_program(StatusError("m", RESPONSE)).__cause__ is None


def test_status_error_has_request_and_response() -> None:
    """A program that looks at the response of an HTTPStatusError, or the request of any error, finds it."""
    error = as_http_error(StatusError("m", RESPONSE))
    assert isinstance(error, httpx2.HTTPStatusError)
    assert (RESPONSE, RESPONSE.request) == (error.response, error.request)


def test_request_of_an_error_without_one() -> None:
    """Where there was no request, asking for it is the library's own error."""
    error = as_http_error(TransportError("m"))
    assert isinstance(error, httpx2.TransportError)
    with pytest.raises(RuntimeError, match="request"):
        _ = error.request


def test_error_classes_are_made_once() -> None:
    """The same kinds of errors are of the same class."""
    native = httpx2.ConnectError("n")
    first, second = (as_http_error(TransportError(text, native)) for text in "mn")
    assert type(first) is type(second)


@pytest.mark.parametrize("error", [TransportError("m", httpx2.ConnectError("n")), StatusError("m", RESPONSE)])
def test_error_can_be_pickled(error: ServiceError) -> None:
    """In another process, whose libraries may be others, an error is the plain one."""
    same = pickle.loads(pickle.dumps(as_http_error(error)))  # noqa: S301 - written in the line itself
    assert (type(error), "m", None) == (type(same), str(same), same.native)


def test_status_goes_along() -> None:
    """What a program decides by is there in whatever form it gets the error: raised, copied, in another process."""
    error = as_http_error(StatusError("m", RESPONSE, 503, 3.5))
    copies = [error, copy.copy(error), pickle.loads(pickle.dumps(error))]  # noqa: S301 - as above
    assert [(503, 3.5)] * 3 == [(same.status, same.retry_after_s) for same in copies if isinstance(same, StatusError)]


def test_other_errors() -> None:
    """An error that is not the service's comes out as it is."""
    error = KeyError("a mistake in the flow")
    with pytest.raises(KeyError) as raised, raised_as_http_errors():
        raise error
    assert error is raised.value


def test_old_library_is_not_imported_for_errors() -> None:
    """In a program that does not use httpx, errors are those of httpx2, and httpx is not imported."""
    program = f"""
import sys
from heksher import ThreadHeksherClient
import httpx2
def fail(request): raise httpx2.ConnectError("n")
client = ThreadHeksherClient({URL!r}, 60, [], http_client_args={{"transport": httpx2.MockTransport(fail)}})
try:
    client.ping()
except httpx2.ConnectError:
    print("httpx" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_one_library_under_both_names() -> None:
    """A program may have made ``httpx`` another name of httpx2."""
    program = f"""
import httpx2
httpx2.alias_httpx()
import httpx
from heksher import ThreadHeksherClient
def fail(request): raise httpx2.ConnectError("n")
client = ThreadHeksherClient({URL!r}, 60, [], http_client_args={{"transport": httpx.MockTransport(fail)}})
try:
    client.ping()
except httpx.ConnectError as error:
    print(isinstance(error, httpx2.ConnectError))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"
