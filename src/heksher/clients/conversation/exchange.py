"""What passes between a session, which decides, and a client, which sends: requests and their outcomes.

A *flow* is a generator. It yields requests that may be sent concurrently, and is sent their outcomes in the same order.
``AsyncTransport.run`` or ``ThreadTransport.run`` runs it; a flow does not know which.
"""

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias, TypeVar

from heksher.exceptions import TransportError
from heksher.value_type import JSON

T = TypeVar("T")

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Request(NamedTuple):
    """A request to the service.

    Attributes:
        path: below the service's URL, such as ``/api/health``.
        params: the query parameters, unencoded.
        body: the JSON body; ``None`` for no body.
    """

    method: str
    path: str
    params: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    body: JSON = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Response(NamedTuple):
    """An answer of the service.

    Attributes:
        headers: with names in lower case.
        body: decompressed.
        native: the HTTP library's response, for the errors that are raised to the program; nobody else looks at it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    native: object = None


Outcome: TypeAlias = Response | TransportError
Flow: TypeAlias = Generator[tuple[Request, ...], tuple[Outcome, ...], T]
