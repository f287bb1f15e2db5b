"""The program's own code on the way of a request, ``auth`` and hooks: what it raises is told as its own.

The HTTP libraries let that pass as if the request had failed, so a token that cannot be read looks like a service that
does not answer.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any


class ProgramCodeError(Exception):
    """The program's own code has raised.

    Args:
        part: which code.
        error: what it raised.
    """

    def __init__(self, part: str, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        super().__init__(f"{part} raised {text}")
        self.error = error


def name_errors_of_auth(library: Any, auth: Any) -> Any:
    """Return what does the same as a program's ``auth``, and whose errors are told as its own."""
    # A pair of strings is handled by the library.
    if auth is None or isinstance(auth, tuple):
        return auth
    inner = auth if isinstance(auth, library.Auth) else _make_flow(library, auth)

    class NamedAuth(library.Auth):  # type: ignore[misc]  # the base is known at run time only
        """See above."""

        def sync_auth_flow(self, request: Any) -> Iterator[Any]:
            with _told_as_own("auth"):
                yield from inner.sync_auth_flow(request)

        async def async_auth_flow(self, request: Any) -> AsyncIterator[Any]:
            async with aclosing(inner.async_auth_flow(request)) as flow:
                response = None
                while True:
                    try:
                        with _told_as_own("auth"):
                            prepared = await flow.asend(response)
                    except StopAsyncIteration:
                        return
                    response = yield prepared

    return NamedAuth()


def name_errors_of_hook(part: str, hook: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Return what calls a program's hook, and tells its errors as its own."""

    def call(subject: Any) -> None:
        with _told_as_own(part):
            hook(subject)

    return call


def name_errors_of_async_hook(part: str, hook: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[None]]:
    """Do what ``name_errors_of_hook`` does, for clients on an event loop."""

    async def call(subject: Any) -> None:
        with _told_as_own(part):
            await hook(subject)

    return call


def _make_flow(library: Any, auth: Callable[[Any], Any]) -> Any:
    class CalledAuth(library.Auth):  # type: ignore[misc]  # the base is known at run time only
        """As the library itself makes it of a function."""

        def auth_flow(self, request: Any) -> Iterator[Any]:
            yield auth(request)

    return CalledAuth()


@contextmanager
def _told_as_own(part: str) -> Iterator[None]:
    try:
        yield
    # Not what ends an asynchronous flow, which is no error.
    except StopAsyncIteration:
        raise
    except Exception as error:
        raise ProgramCodeError(f"http_client_args[{part!r}]", error) from error
