"""Errors that are also those of the HTTP libraries.

Existing programs catch ``httpx.HTTPError``, though they get errors of this package, and though the library may be
httpx2 (see ``http_library``). So an error is given the class of the same name of either library as a further base when
it is raised to the program; of those libraries that are imported, as nothing can catch the errors of the others.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from heksher.exceptions import InvalidResponseError, ServiceError, StatusError

_LIBRARIES: Final = ("httpx2", "httpx")
# The attributes of an error that can go into another process; the library's objects cannot.
_PORTABLE: Final = ("status", "retry_after_s", "content")
# The classes of errors that are also errors of HTTP libraries, made when they are first needed.
_mixed: dict[tuple[type[ServiceError], tuple[type[Exception], ...]], type[ServiceError]] = {}


def as_http_error(error: ServiceError) -> ServiceError:
    """Return an error that is an instance of the HTTP libraries' matching class, too, of those that are imported."""
    # A program may have made both names mean one library.
    bases = tuple(dict.fromkeys(_find_http_classes(error)))
    adapted = _mix(type(error), bases)(*error.args)
    adapted.__dict__.update(error.__dict__)
    if bases:
        # The library's own errors have these; without a request they refuse to return it.
        setattr(adapted, "request", find_request(error.native))  # noqa: B010 - a property of the bases
    if isinstance(error, StatusError):
        adapted.__dict__["response"] = error.native
    return adapted


@contextmanager
def raised_as_http_errors() -> Iterator[None]:
    """Raise the service's errors as ``as_http_error`` returns them, caused by the library's own if there is one."""
    try:
        yield
    except ServiceError as error:
        raise as_http_error(error) from (error.native if isinstance(error.native, BaseException) else None)


def find_request(native: object) -> Any:
    """Return the library's request that its error, or its response, belongs to; ``None`` if there is none."""
    try:
        return getattr(native, "request", None)
    # That of the library's response or error, without a request.
    except RuntimeError:
        return None


def _find_http_classes(error: ServiceError) -> Iterator[type[Exception]]:
    name = _name_http_class(error)
    for library in map(sys.modules.get, _LIBRARIES):
        base = getattr(library, "HTTPError", None)
        if base is not None:
            found = getattr(library, name, None)
            if isinstance(found, type) and issubclass(found, base):
                yield found
            else:
                yield getattr(library, "TransportError", base)


def _name_http_class(error: ServiceError) -> str:
    if isinstance(error, StatusError):
        return "HTTPStatusError"
    if isinstance(error, InvalidResponseError):
        return "DecodingError"
    return "TimeoutException" if isinstance(error.native, TimeoutError) else type(error.native).__name__


def _mix(kind: type[ServiceError], bases: tuple[type[Exception], ...]) -> type[ServiceError]:
    if (kind, bases) not in _mixed:
        # Pickled (by multiprocessing, by Celery), the error becomes the plain one: the mixed class is of this process.
        namespace = {
            "__module__": kind.__module__,
            "__doc__": kind.__doc__,
            "__reduce__": lambda self: (kind, self.args, _select(self.__dict__)),
        }
        _mixed[kind, bases] = type(kind.__name__, (kind, *bases), namespace)
    return _mixed[kind, bases]


def _select(attributes: Mapping[str, object]) -> dict[str, object]:
    return {name: attributes[name] for name in _PORTABLE if name in attributes}
