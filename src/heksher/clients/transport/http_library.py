"""Which HTTP library is used, and how its clients are made, so that neither it nor its errors reveal a secret.

The library is httpx2. Existing programs may hand over objects of its predecessor httpx (a transport, an ``Auth``, a
``Limits``), which httpx2 does not take; then httpx is used. Either is imported when the first client is created, as
that takes longer than importing the rest of the package.

What the libraries reveal of a request, and how that is prevented (known fault 28):

* its URL, in the log at INFO, with a password in it: URLs are handed over without one;
* the value of an invalid header, in the error and in the log at DEBUG: it is refused before;
* ``auth`` of a wrong type, and a proxy without a scheme, in the error: they are checked before;
* the headers of an answer, in the log at DEBUG, among them a ``Location`` with a password: a filter masks it.

With ``follow_redirects`` both libraries send credentials to the service's own origin only, but the program's own
headers to any. Neither objects to going from https to http, so that is refused here.
"""

import logging
import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from heksher.clients.transport.identity import Identity
from heksher.clients.transport.program_code import (
    name_errors_of_async_hook,
    name_errors_of_auth,
    name_errors_of_hook,
)
from heksher.clients.transport.receiving import ACCEPTED_ENCODINGS
from heksher.exceptions import ArgumentTypeError, InvalidOptionError

if TYPE_CHECKING:
    import httpx2

# RFC 9110, section 5.5, as the libraries read it.
_HEADER_VALUE_PATTERN: Final = rb"(?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?"
_USERINFO_PATTERN: Final = r"(?<=//)[^/?#\s]+@"
_PROXY_SCHEMES: Final = ("http://", "https://", "socks5://", "socks5h://")
_PROXY_RULE: Final = (
    "http_client_args['proxy'], and HTTP_PROXY, HTTPS_PROXY and ALL_PROXY in the environment, are URLs such as"
    " http://host:port"
)


class RefusedRequestError(Exception):
    """A request that is not sent, as it would reveal a secret."""


class ClientSettings:
    """What a library's clients are made with.

    Args:
        service_url: ``http(s)://[user:password@]host[:port][/path]``.
        http_client_args: keyword arguments for the library's client.
        identity: who the client says it is; ``None`` for nobody in particular.

    Attributes:
        library: the library, imported.
        base_url: the service's URL, without credentials, and without a slash at its end.
        url_problem: why no request can be sent to it; ``None`` if one can. Programs may create a client with any text.
        is_following: whether redirects are followed.

    Raises:
        InvalidOptionError: the URL of a proxy cannot be one, or ``identity`` and the arguments exclude one another.
        ArgumentTypeError: (a ``TypeError``) ``http_client_args`` is no mapping, or ``auth`` nothing that the library
            takes.
    """

    def __init__(
        self, service_url: str, http_client_args: Mapping[str, Any] | None, identity: Identity | None = None
    ) -> None:
        identity = identity or Identity()
        args = _copy_args(http_client_args)
        name = _choose_library(args)
        self.library: Any = import_module(name)
        self.url_problem: str | None = None
        try:
            url = _parse_service_url(self.library, service_url)
        except InvalidOptionError as error:
            self.url_problem = str(error)
            self.base_url: str = _hide_credentials(str(service_url))
        else:
            self.base_url = str(url.copy_with(userinfo=b"")).rstrip("/")
            if url.userinfo and args.get("auth") is None:
                args["auth"] = (url.username, url.password)
            identity.warn_of_plain_text(url.scheme, url.host)
        _check_auth(self.library, args.get("auth"))
        _check_proxy(args.get("proxy"))
        args["headers"] = _complete_headers(self.library, args.get("headers"))
        identity.complete(args["headers"], has_auth=args.get("auth") is not None)
        args["auth"] = name_errors_of_auth(self.library, args.get("auth"))
        self.is_following: bool = bool(args.get("follow_redirects"))
        self._args = args
        self._credential = identity.credential
        for part in ("http11", "http2"):
            logging.getLogger(f"{name.replace('httpx', 'httpcore')}.{part}").addFilter(mask_userinfo)

    def list_transports(self) -> list[object]:
        """Return the transports that the program gave, which all of the clients share."""
        mounts: Mapping[str, object] = self._args.get("mounts") or {}
        return [self._args.get("transport"), *mounts.values()]

    def make_client(self, kind: str, check_request: Any, receive: Any) -> Any:
        """Make a client.

        Args:
            kind: ``"Client"`` or ``"AsyncClient"``.
            check_request: called with each request, as the last thing before it is sent.
            receive: called with each response, as the first thing; it must read the body.

        Raises:
            ArgumentTypeError: (a ``TypeError``) the library does not take an argument of the program's.
            InvalidOptionError: a proxy cannot be used, be it the program's or one of the environment.
        """
        own = {} if self._credential is None else {"auth": self._credential.make_auth(self.library)}
        try:
            client = getattr(self.library, kind)(**{**self._args, **own})
        except TypeError as error:
            raise ArgumentTypeError(f"http_client_args are not what {self.library.__name__} takes: {error}") from error
        except ImportError as error:
            # Of a kind of proxy or protocol that needs a package of its own.
            raise InvalidOptionError(f"{self.library.__name__} cannot make a client: {error}") from error
        except (ValueError, self.library.InvalidURL):
            # The library's error has the proxy's password, or a part of it.
            raise InvalidOptionError(f"a proxy cannot be used: {_PROXY_RULE}") from None
        name_errors = name_errors_of_async_hook if kind == "AsyncClient" else name_errors_of_hook
        hooks = {
            event: [name_errors("event_hooks", hook) for hook in present]
            for event, present in client.event_hooks.items()
        }
        client.event_hooks = {
            "request": [*hooks["request"], check_request],
            "response": [receive, *hooks["response"]],
        }
        return client


def check_request(request: "httpx2.Request") -> None:
    """Refuse a request whose headers cannot be sent, and take credentials out of its URL, which a redirect may bring.

    Raises:
        RefusedRequestError: a header has no valid value.
    """
    for name, value in request.headers.raw:
        if not re.fullmatch(_HEADER_VALUE_PATTERN, value):
            raise RefusedRequestError(
                f"the value of the header {name.decode(errors='replace')!r} has space around it, or line breaks"
            )
    if request.url.userinfo:
        request.url = request.url.copy_with(userinfo=b"")


def check_redirect(response: "httpx2.Response", *, is_followed: bool) -> None:
    """Refuse to be redirected from https to http.

    Raises:
        RefusedRequestError: the answer asks for it.
    """
    if is_followed and response.has_redirect_location and response.request.url.scheme == "https":
        target = response.request.url.join(response.headers["Location"])
        if target.scheme != "https":
            shown = target.copy_with(userinfo=b"", query=None, fragment=None)
            raise RefusedRequestError(f"it is redirected to {shown}, which is not encrypted")


def mask_userinfo(record: logging.LogRecord) -> bool:
    """Mask credentials in the URLs of a log record. A filter of loggers; it lets every record pass."""
    if isinstance(record.msg, str) and "@" in record.msg:
        record.msg = re.sub(_USERINFO_PATTERN, "[secure]@", record.msg)
    return True


def _copy_args(client_args: object) -> dict[str, Any]:
    if not (client_args is None or isinstance(client_args, Mapping)):
        kind = type(client_args).__name__
        raise ArgumentTypeError(f"http_client_args must be a mapping of keyword arguments, not a {kind}")
    return dict(client_args or {})


def _complete_headers(library: Any, headers: Any) -> Any:
    completed = library.Headers({"Accept-Encoding": ACCEPTED_ENCODINGS})
    completed.update(headers)
    return completed


def _check_auth(library: Any, auth: object) -> None:
    if not (auth is None or callable(auth) or isinstance(auth, (tuple, library.Auth))):
        text = "http_client_args['auth'] must be a pair of strings, a callable or an Auth"
        raise ArgumentTypeError(f"{text}, not a {type(auth).__name__}")


def _check_proxy(proxy: object) -> None:
    if isinstance(proxy, str) and not proxy.lower().startswith(_PROXY_SCHEMES):
        raise InvalidOptionError(f"http_client_args['proxy'] must begin with one of {', '.join(_PROXY_SCHEMES)}")


def _parse_service_url(library: Any, service_url: str) -> "httpx2.URL":
    try:
        url: httpx2.URL = library.URL(str(service_url))
    except library.InvalidURL as error:
        # The error has what is taken for a port: a password with a slash in it has ended the host too early.
        what = "" if "@" in str(service_url) else f": {error}"
        raise InvalidOptionError(
            f"service_url is no URL{what}; in a user or a password, write / ? # and @ as %2F %3F %23 and %40"
        ) from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        shown = _hide_credentials(str(service_url))
        raise InvalidOptionError(f"service_url must be http(s)://host, with or without a path, not {shown!r}")
    return url


def _hide_credentials(url: str) -> str:
    """Return what can be shown of a text that need not be a URL: nothing that stands before an @, or after a ? or #."""
    without_user = re.sub(r"^(\w+://)?.*@", r"\1", url, flags=re.DOTALL)
    return re.sub(r"([?#]).+", r"\1...", without_user, flags=re.DOTALL)


def _choose_library(client_args: Mapping[str, Any]) -> str:
    values = list(client_args.values())
    values += [nested for value in values if isinstance(value, Mapping) for nested in value.values()]
    return "httpx" if any(map(_is_of_httpx, values)) else "httpx2"


def _is_of_httpx(value: object) -> bool:
    return any(kind.__module__.partition(".")[0] == "httpx" for kind in type(value).__mro__)
