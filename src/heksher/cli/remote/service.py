"""The service that commands ask: the one at ``HEKSHER_URL``, with the token in ``HEKSHER_TOKEN``.

The token is in the environment alone, as everybody on a machine can see the arguments of a command. Requests go the way
that those of the client go, which knows proxies, certificates and limits, and shows no secret.
"""

import getpass
import os
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from heksher.cli.remote.exit_status import CommandError, ExitStatus
from heksher.cli.remote.refusal_text import make_error, read_object
from heksher.clients.conversation.exchange import Flow, Outcome, Request, Response
from heksher.clients.transport.identity import Identity, name_machine
from heksher.clients.transport.sender import Limits
from heksher.clients.transport.thread_transport import ThreadTransport
from heksher.exceptions import TransportError
from heksher.exceptions import UsageError as ClientUsageError
from heksher.version import __version__
from heksher.wire import ACTOR_HEADER, CLIENT_HEADER, REASON_HEADER

URL_VARIABLE: Final = "HEKSHER_URL"
TOKEN_VARIABLE: Final = "HEKSHER_TOKEN"  # noqa: S105 - the name of a variable

_CLIENT_NAME: Final = "heksher-cli"

# Finding all that there is to tidy up among 100,000 rules takes seconds.
_ANSWER_S: Final = 60.0
_CONNECT_S: Final = 5.0
# For the HTTP library: seconds to connect, to read, to write, and to have a connection.
_CLIENT_ARGS: Final[Mapping[str, Any]] = {"timeout": (_CONNECT_S, _ANSWER_S, _ANSWER_S, _CONNECT_S)}

_PAGE_ITEMS: Final = 1000
_MAX_ACTOR_CHARACTERS: Final = 100


class ServiceAnswer(dict[str, Any]):
    """An answer of the API: an object.

    What should be in it and is not is said in one line: something else may answer at that address, such as another
    service, or an older one.
    """

    def __missing__(self, key: str) -> Any:
        """Refuse an answer without what each service answers."""
        raise CommandError(
            f"the answer has no {key!r}, as no Heksher service does that is as new as this command: is"
            f" {URL_VARIABLE} right?",
            ExitStatus.NOT_REACHED,
        )


class TaggedAnswer(NamedTuple):
    """What was read, with the tag of its last change; ``None`` for none, as while the database cannot be reached."""

    content: ServiceAnswer
    tag: str | None


class Service:
    """A service, and the requests to it.

    Args:
        transport: sends requests to it.
        has_token: whether they have a token.
    """

    def __init__(self, transport: ThreadTransport, *, has_token: bool) -> None:
        self._transport = transport
        self._has_token = has_token

    def get(self, path: str, params: Mapping[str, str] | None = None) -> ServiceAnswer:
        """Read something, and return what was answered.

        Raises:
            CommandError: it was refused, or there was no answer.
        """
        return self._read(self._ask(Request("GET", path, params or {})))

    def find(self, path: str, params: Mapping[str, str] | None = None) -> TaggedAnswer | None:
        """Read something that may not be there, and return it with its tag; ``None`` if it is not there.

        Raises:
            CommandError: it was refused, or there was no answer.
        """
        response = self._ask(Request("GET", path, params or {}))
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        return TaggedAnswer(self._read(response), response.headers.get("etag"))

    def post(
        self, path: str, body: Any = None, params: Mapping[str, str] | None = None, reason: str | None = None
    ) -> ServiceAnswer:
        """Send something, and return what was answered.

        Args:
            path: of the request.
            body: of the request.
            params: of the request.
            reason: why, for the change log; ``None`` for what writes nothing.

        Raises:
            CommandError: it was refused, or there was no answer.
        """
        headers = {} if reason is None else self._write_headers(reason)
        return self._read(self._ask(Request("POST", path, params or {}, headers, body)))

    def list_all(self, path: str, key: str, params: Mapping[str, str], at_most: int | None = None) -> ServiceAnswer:
        """Read a list that comes in pages, and return it as one page.

        Args:
            path: of the list.
            key: under which its items stand in an answer.
            params: of the request.
            at_most: how many items are wanted; ``None`` for all.

        Raises:
            CommandError: it was refused, or there was no answer.
        """
        page = first = self._get_page(path, params, at_most)
        items = first[key]
        while page["next_cursor"] is not None and len(items) != at_most:
            left = None if at_most is None else at_most - len(items)
            page = self._get_page(path, {**params, "cursor": page["next_cursor"]}, left)
            items += page[key]
        return ServiceAnswer({**first, "next_cursor": page["next_cursor"]})

    def _get_page(self, path: str, params: Mapping[str, str], at_most: int | None) -> ServiceAnswer:
        limit = _PAGE_ITEMS if at_most is None else min(_PAGE_ITEMS, at_most)
        return self.get(path, {**params, "limit": str(limit)})

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def _ask(self, request: Request) -> Response:
        """Send a request, and return the answer, whatever it is.

        Raises:
            CommandError: there was none.
        """
        outcome = self._transport.run(_exchange(request))
        if isinstance(outcome, TransportError):
            if isinstance(outcome.native, ClientUsageError):
                raise _refuse_url(outcome.native)
            advice = f"does the service run, and is {URL_VARIABLE} right?"
            raise CommandError(f"{outcome}: {advice}", ExitStatus.NOT_REACHED)
        return outcome

    def _read(self, response: Response) -> ServiceAnswer:
        if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own
            raise make_error(response, self._transport.base_url, has_token=self._has_token)
        content = read_object(response)
        if content is None:
            place = self._transport.base_url
            text = (
                f"{place} answers with something else than JSON, as no Heksher service does: is {URL_VARIABLE} right?"
            )
            raise CommandError(text, ExitStatus.NOT_REACHED)
        return ServiceAnswer(content)

    def _write_headers(self, reason: str) -> dict[str, str]:
        headers = {REASON_HEADER: quote(reason, safe="")} if reason else {}
        # With a token the service knows who it is. Without one, the history has what the machine calls its user.
        return headers if self._has_token else {**headers, **_claim_actor()}


def connect() -> closing[Service]:
    """Return the service that the environment names, to be used in a ``with`` block.

    Raises:
        CommandError: it names none, or what it has cannot be used.
    """
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        raise CommandError(
            f"{URL_VARIABLE} is not set: set it to the address of the service, as by"
            f" export {URL_VARIABLE}=http://127.0.0.1:8000",
            ExitStatus.USAGE,
        )
    token = os.environ.get(TOKEN_VARIABLE) or None
    try:
        identity = Identity(token, f"{_CLIENT_NAME}/{__version__}")
    except ClientUsageError as error:
        raise CommandError(f"{TOKEN_VARIABLE}: {error}", ExitStatus.USAGE) from None
    try:
        transport = ThreadTransport(
            url, {**_CLIENT_ARGS, "headers": _name_client()}, Limits(request_timeout_s=_ANSWER_S), identity
        )
    except ClientUsageError as error:
        raise _refuse_url(error) from None
    return closing(Service(transport, has_token=token is not None))


def _name_client() -> dict[str, str]:
    # Without the number of the process: each command would be another client to the service, which knows so many only.
    return {CLIENT_HEADER: f"name={_CLIENT_NAME}; instance={name_machine()}"}


def _exchange(request: Request) -> Flow[Outcome]:
    (outcome,) = yield (request,)
    return outcome


def _refuse_url(error: ClientUsageError) -> CommandError:
    return CommandError(f"{URL_VARIABLE}: {error}", ExitStatus.USAGE)


def _claim_actor() -> dict[str, str]:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        # The user that it runs as has no name here, as in many containers.
        return {}
    return {ACTOR_HEADER: quote(name[:_MAX_ACTOR_CHARACTERS], safe="")}
