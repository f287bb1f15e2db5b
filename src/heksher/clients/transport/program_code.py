"""The program's own code on the way of a request, ``auth``, hooks and ``token``: what it raises is told as its own.

The HTTP libraries let that pass as if the request had failed, so a token that cannot be read looks like a service that
does not answer.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any


class ProgramCodeError(Exception):
    """The program's own code has raised, or returned what cannot be used.

    Args:
        text: which code did what.
        error: what it raised, or the error that what it returned is.
    """

    def __init__(self, text: str, error: Exception) -> None:
        super().__init__(text)
        self.error = error


@contextmanager
def told_as_own(part: str) -> Iterator[None]:
    """Raise what a part of the program's code raises as a ``ProgramCodeError`` that names the part."""
    try:
        yield
    # Not what ends an asynchronous flow, which is no error.
    except StopAsyncIteration:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ProgramCodeError(f"{part} raised {text}", error) from error


def name_errors_of_auth(library: Any, auth: Any) -> Any:
    """Return what does the same as a program's ``auth``, and whose errors are told as its own."""
    # A pair of strings is handled by the library.
    if auth is None or isinstance(auth, tuple):
        return auth
    inner = auth if isinstance(auth, library.Auth) else _make_flow(library, auth)

    class NamedAuth(library.Auth):  # type: ignore[misc]  # the base is known at run time only
        """See above."""

        def sync_auth_flow(self, request: Any) -> Iterator[Any]:
            with told_as_own(_name("auth")):
                yield from inner.sync_auth_flow(request)

        async def async_auth_flow(self, request: Any) -> AsyncIterator[Any]:
            async with aclosing(inner.async_auth_flow(request)) as flow:
                response = None
                while True:
                    try:
                        with told_as_own(_name("auth")):
                            prepared = await flow.asend(response)
                    except StopAsyncIteration:
                        return
                    response = yield prepared

    return NamedAuth()


def name_errors_of_hook(part: str, hook: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Return what calls a program's hook, and tells its errors as its own."""

    def call(subject: Any) -> None:
        with told_as_own(_name(part)):
            hook(subject)

    return call


def name_errors_of_async_hook(part: str, hook: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[None]]:
    """Do what ``name_errors_of_hook`` does, for clients on an event loop."""

    async def call(subject: Any) -> None:
        with told_as_own(_name(part)):
            await hook(subject)

    return call


def _make_flow(library: Any, auth: Callable[[Any], Any]) -> Any:
    class CalledAuth(library.Auth):  # type: ignore[misc]  # the base is known at run time only
        """As the library itself makes it of a function."""

        def auth_flow(self, request: Any) -> Iterator[Any]:
            yield auth(request)

    return CalledAuth()


def _name(part: str) -> str:
    return f"http_client_args[{part!r}]"
