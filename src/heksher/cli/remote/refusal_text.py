"""What is said of an answer that is no success: which exit status it means, and, in one line, what is wrong."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from heksher.cli.remote.exit_status import CommandError, ExitStatus
from heksher.clients.conversation.exchange import Response
from heksher.value_type import shorten

_MAX_FOREIGN_CHARACTERS: Final = 200

# What problem details have, and so each answer of a route that the commands use which says that something is not there.
_TITLE: Final = "title"

# What a service advises those who send requests themselves, and what that is for those who run a command.
_ADVICE: Final[Mapping[str, str]] = {
    "(POST /api/v1/proposals)": "(heksher propose, or --propose)",
    "do without with force=true": "do without with --force",
    "do without, with force=true": "do without, with --force",
    "if it is to be, say so with force=true": "if it is to be, say so with --force",
    "all the same, say so with force=true": "all the same, say so with --force (a proposal: ?force=true in its path)",
}
_ADVICE_PATTERN: Final = re.compile("|".join(map(re.escape, _ADVICE)))
# In which part of a request a fault is: whoever runs a command has not written one.
_REQUEST_PART: Final = re.compile(r"(^|; |^operation [0-9]+: )(?:body|query|path)\.")

_STATUSES: Final[Mapping[int, ExitStatus]] = {
    HTTPStatus.UNAUTHORIZED: ExitStatus.NOT_PERMITTED,
    HTTPStatus.FORBIDDEN: ExitStatus.NOT_PERMITTED,
    HTTPStatus.CONFLICT: ExitStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED: ExitStatus.CONFLICT,
    # What a proxy answers whose service is away, or the service whose database is.
    HTTPStatus.BAD_GATEWAY: ExitStatus.NOT_REACHED,
    HTTPStatus.SERVICE_UNAVAILABLE: ExitStatus.NOT_REACHED,
    HTTPStatus.GATEWAY_TIMEOUT: ExitStatus.NOT_REACHED,
}


def make_error(response: Response, place: str, *, has_token: bool) -> CommandError:
    """Return the error for an answer that is no success.

    Args:
        response: the answer.
        place: the URL that was asked, as it can be shown.
        has_token: whether the request had a token.
    """
    status = _STATUSES.get(response.status, ExitStatus.FAILED)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        text = f"{place} answers with a redirect: is HEKSHER_URL the service's own address?"
        return CommandError(text, ExitStatus.NOT_REACHED)
    problem = read_object(response)
    if problem is None:
        return _describe_foreign(response, place, status)
    if response.status == HTTPStatus.NOT_FOUND and _TITLE not in problem:
        text = f"there is nothing like this at {place}: is HEKSHER_URL right, and the service as new as this command?"
        return CommandError(text, ExitStatus.NOT_REACHED)
    text = _put_for_commands(_describe_problem(problem))
    return CommandError(text + _advise(response.status, has_token=has_token), status)


def read_object(response: Response) -> dict[str, Any] | None:
    """Return the JSON object that an answer has; ``None`` if it has none."""
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _describe_problem(problem: Mapping[str, Any]) -> str:
    """Put what a service says into words: problem details, or what the API has said of errors before there were any."""
    detail = problem.get("detail")
    if isinstance(detail, list):
        return "; ".join(map(_describe_fault, detail))
    if isinstance(detail, str):
        return detail
    return "; ".join(map(str, problem.get("conflicts", []))) or shorten(json.dumps(problem), _MAX_FOREIGN_CHARACTERS)


def _describe_fault(fault: Mapping[str, Any]) -> str:
    return f"{'.'.join(map(str, fault.get('loc', ())))}: {fault.get('msg')}"


def _put_for_commands(text: str) -> str:
    """Put what is meant for those who send requests into words for those who run a command."""
    return _ADVICE_PATTERN.sub(lambda found: _ADVICE[found[0]], _REQUEST_PART.sub(r"\1", text))


def _advise(status: int, *, has_token: bool) -> str:
    return "; set HEKSHER_TOKEN to a token of yours" if status == HTTPStatus.UNAUTHORIZED and not has_token else ""


def _describe_foreign(response: Response, place: str, status: ExitStatus) -> CommandError:
    """Say of an answer that is no JSON object what it says: the service has few, such as that there is no setting."""
    text = shorten(response.body[: 4 * _MAX_FOREIGN_CHARACTERS].decode(errors="replace"), _MAX_FOREIGN_CHARACTERS)
    if response.headers.get("content-type", "").startswith("text/plain") and text:
        return CommandError(text, status)
    if status is ExitStatus.NOT_REACHED:
        return CommandError(
            f"{place} answers with status {response.status}: the service behind it cannot be reached; try again later,"
            " or is HEKSHER_URL wrong?",
            status,
        )
    if status is ExitStatus.FAILED:
        status = ExitStatus.NOT_REACHED
    return CommandError(
        f"{place} answers with status {response.status}, as no Heksher service does: is HEKSHER_URL right?", status
    )
