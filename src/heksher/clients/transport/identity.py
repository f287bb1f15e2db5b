"""Who a client says it is: the token that it shows the service, the name of its program, and which process that is.

A token that is a text goes with each request. What a callable returned is kept, and goes with each request until the
service refuses it (401): then the callable is asked anew, and the request is tried once more. Requests that are refused
side by side wait for one answer of the callable.

The token is put into requests by the HTTP library's own means for authentication, so that it is there in a stream's
request, too, and is taken away from a request that is redirected to another origin. It is in no text that this package
makes: no error, log line or ``repr()``; what a stranger answers has it masked, see ``sender``.
"""

import asyncio
import logging
import os
import re
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from heksher.clients.transport.program_code import ProgramCodeError, told_as_own
from heksher.exceptions import ArgumentTypeError, InvalidOptionError
from heksher.subscription import is_coroutine_function, name_callable
from heksher.version import __version__
from heksher.wire import CLIENT_HEADER

logger: logging.Logger = logging.getLogger(__name__)

# What the two clients take as their token.
TokenSource: TypeAlias = str | Callable[[], str]
AsyncTokenSource: TypeAlias = str | Callable[[], str | Awaitable[str]]

_UNAUTHORIZED: Final = 401
_MAX_NAME_CHARACTERS: Final = 100

# Source: RFC 9110, 10.1.5 (product).
_WORD_PATTERN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CLIENT_NAME_PATTERN: Final = rf"{_WORD_PATTERN}(?:/{_WORD_PATTERN})?"
_LOOPBACK_PATTERN: Final = r"(?:.+\.)?localhost|127(?:\.[0-9]+){1,3}|::1"


# Whose callable the running code is part of; None outside of any.
_asked: "ContextVar[Credential | None]" = ContextVar("heksher_token", default=None)


class _KeptToken:
    """A token that was asked for; two of them are two, though they have one text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Credential:
    """A client's token. Thread-safe.

    Args:
        source: the token, or a callable that returns it.
        takes_coroutines: whether the callable may be a coroutine function.

    Raises:
        ArgumentTypeError: (a ``TypeError``) it is neither.
        InvalidOptionError: (a ``ValueError``) the text cannot be sent as a token.
    """

    def __init__(self, source: object, *, takes_coroutines: bool) -> None:
        # What is sent; None before the first request.
        self._kept: _KeptToken | None = None
        self._is_renewable = not isinstance(source, str)
        self._source = _read_source(source, takes_coroutines)
        self._name = f"the callable token ({name_callable(self._source)})"

    def make_auth(self, library: Any) -> Any:
        """Make what adds the token to the requests of one client of an HTTP library."""
        find, find_async, is_renewable = self._find, self._find_async, self._is_renewable
        # Guard that one request at a time asks the callable. They belong to the library's client, so a forked process
        # and another event loop have their own.
        lock, async_lock = threading.Lock(), asyncio.Lock()

        class TokenAuth(library.Auth):  # type: ignore[misc]  # the base is known at run time only
            """See above."""

            def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
                kept = find(lock, None)
                response = yield _sign(request, kept)
                if is_renewable and response.status_code == _UNAUTHORIZED:
                    yield _sign(request, find(lock, kept))

            async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
                kept = await find_async(async_lock, None)
                response = yield _sign(request, kept)
                if is_renewable and response.status_code == _UNAUTHORIZED:
                    yield _sign(request, await find_async(async_lock, kept))

        return TokenAuth()

    def _find(self, lock: threading.Lock, refused: _KeptToken | None) -> _KeptToken:
        """Return the token to be sent: not the one that the service has refused."""
        self._refuse_itself()
        with lock:
            kept = self._kept
            if kept is None or kept is refused:
                with self._asking():
                    answer = self._source()
                kept = self._kept = self._read(answer)
            return kept

    async def _find_async(self, lock: asyncio.Lock, refused: _KeptToken | None) -> _KeptToken:
        self._refuse_itself()
        async with lock:
            kept = self._kept
            if kept is None or kept is refused:
                with self._asking():
                    answer = self._source()
                    if isinstance(answer, Awaitable):
                        answer = await answer
                kept = self._kept = self._read(answer)
            return kept

    def _refuse_itself(self) -> None:
        """Raise a ProgramCodeError within the callable: a request of its own client would wait for it for ever."""
        if _asked.get() is self:
            raise self._fail("uses the client that it is the token of")

    @contextmanager
    def _asking(self) -> Iterator[None]:
        before = _asked.set(self)
        try:
            with told_as_own(self._name):
                yield
        finally:
            _asked.reset(before)

    def _read(self, answer: object) -> _KeptToken:
        fault = _find_fault(answer)
        if isinstance(answer, str) and fault is None:
            return _KeptToken(answer)
        if isinstance(answer, Coroutine):
            # Nobody awaits it, of which Python would warn without saying whose it is.
            answer.close()
        raise self._fail(f"returned what cannot be sent: {fault}")

    def _fail(self, reason: str) -> ProgramCodeError:
        text = f"{self._name} {reason}"
        return ProgramCodeError(text, InvalidOptionError(text))


class Identity:
    """Who a client says it is.

    Args:
        token: as for ``Credential``; ``None`` for none.
        client_name: which program this is; ``None`` if it does not say.
        takes_coroutines: as for ``Credential``.

    Attributes:
        credential: the token; ``None`` for none.

    Raises:
        ArgumentTypeError, InvalidOptionError: as for ``Credential``; or the name cannot be sent.
    """

    def __init__(self, token: object = None, client_name: object = None, *, takes_coroutines: bool = False) -> None:
        self.credential: Credential | None = (
            None if token is None else Credential(token, takes_coroutines=takes_coroutines)
        )
        self._client_name = _read_client_name(client_name)

    def complete(self, headers: MutableMapping[str, str], *, has_auth: bool) -> None:
        """Complete the headers of all requests of this process by the name, and by which process it is.

        Args:
            headers: those of the program.
            has_auth: whether the program, or the service's URL, has other credentials.

        Raises:
            InvalidOptionError: the program says the same, or something else, in two ways.
        """
        if self.credential is not None and (has_auth or "Authorization" in headers):
            raise InvalidOptionError(
                "token and other credentials (in service_url, or auth or the header Authorization in http_client_args)"
                " exclude one another: each would be sent as the header Authorization"
            )
        if self._client_name is not None and "User-Agent" in headers:
            raise InvalidOptionError("client_name and the header User-Agent in http_client_args exclude one another")
        # The most important one first (RFC 9110, 10.1.5).
        product = f"heksher/{__version__}"
        headers.setdefault("User-Agent", product if self._client_name is None else f"{self._client_name} {product}")
        name = "" if self._client_name is None else f"name={self._client_name.partition('/')[0]}; "
        headers.setdefault(CLIENT_HEADER, f"{name}instance={_name_process()}")

    def warn_of_plain_text(self, scheme: str, host: str) -> None:
        """Say so if a token goes over a network without encryption."""
        if self.credential is not None and scheme == "http" and not re.fullmatch(_LOOPBACK_PATTERN, host):
            logger.warning(
                "the token is sent to %s without encryption (http), so whoever is on the way can read it; with https"
                " nobody can",
                host,
            )


def _read_source(source: object, takes_coroutines: bool) -> Callable[[], object]:
    if isinstance(source, str):
        fault = _find_fault(source)
        if fault is not None:
            raise InvalidOptionError(f"token cannot be sent: {fault}")
        return lambda: source
    if not callable(source):
        # Without the value, which may be a token in another form.
        kind = type(source).__name__
        raise ArgumentTypeError(f"token must be text, or a callable that returns text, not a value of type {kind}")
    if is_coroutine_function(source) and not takes_coroutines:
        name = name_callable(source)
        raise ArgumentTypeError(f"token is the coroutine function {name}, which only an asynchronous client can run")
    return source


def _read_client_name(name: object) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise ArgumentTypeError(f"client_name must be text, not a value of type {type(name).__name__}")
    if len(name) > _MAX_NAME_CHARACTERS or not re.fullmatch(_CLIENT_NAME_PATTERN, name):
        raise InvalidOptionError(
            "client_name must be a name such as 'checkout', or name and version such as 'checkout/2.3', of letters,"
            f" digits and !#$%&'*+-.^_`|~, with at most {_MAX_NAME_CHARACTERS} characters"
        )
    return name


def name_machine() -> str:
    """Return the name of the machine, or of the container, in characters that the header of clients can have."""
    return re.sub("[^0-9A-Za-z._-]", "-", socket.gethostname()[:_MAX_NAME_CHARACTERS])


def _name_process() -> str:
    """Return which process this is: where it runs, and the number that it has there."""
    return f"{name_machine()}:{os.getpid()}"


def _find_fault(token: object) -> str | None:
    """Return what is wrong with a token, without any part of it; ``None`` if nothing is."""
    if not isinstance(token, str):
        return f"it is no text, but of the type {type(token).__name__}"
    if not token:
        return "it is empty"
    if not token.isascii():
        return "it has characters that are not ASCII"
    if not re.fullmatch("[!-~]+", token):
        return "it has spaces or control characters (a line's end, perhaps, or 'Bearer' before the token itself)"
    return None


def _sign(request: Any, kept: _KeptToken) -> Any:
    request.headers["Authorization"] = f"Bearer {kept.text}"
    return request
