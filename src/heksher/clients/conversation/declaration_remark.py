"""What is to be said of the answer to a declaration: what is wrong with which setting, and what to do about it."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from heksher.clients.conversation.conflict import remark_conflict
from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.declaration_difference import MALFORMED, describe_differences
from heksher.clients.conversation.exchange import Request, Response
from heksher.clients.conversation.response_reader import QueriedSetting, read_object
from heksher.exceptions import ServiceError, StatusError
from heksher.setting import Setting
from heksher.value_type import JSON

CONFLICT: Final = 409

# What to do about a refusal, by its status.
_REMEDIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: 'declare a setting that is new to the service with version="1.0"',
        403: "let this client declare settings, or have someone declare it who may",
        404: "add the context feature to the service, or correct configurable_features or alias",
        CONFLICT: "correct its alias, or what the service has under that name",
        413: "make its default or its metadata smaller",
        422: "correct what the answer names in the code that declares it",
        507: "make room where the service keeps its data",
    }
)
_PATIENCE: Final = "it is tried again"


class ReadDeclaration(NamedTuple):
    """What the answer to a declaration comes to.

    Attributes:
        remarks: what is to be said of it.
        told: a default that the service has, and the declaration does not; ``None`` without one.
    """

    remarks: tuple[Remark, ...] = ()
    told: QueriedSetting | None = None


def read_declaration(setting: Setting[Any], request: Request, response: Response) -> ReadDeclaration:
    """Read the answer to a declaration that was accepted, or at least understood.

    Raises:
        InvalidResponseError: it is not what the API promises.
    """
    if response.status == CONFLICT:
        return ReadDeclaration((remark_conflict(setting.name, request, response),))
    answer = read_object(request, response)
    if answer.get("outcome") != "outdated":
        return ReadDeclaration()
    return ReadDeclaration((_remark_outdated(setting, request, answer),), _find_default(answer.get("differences")))


def _remark_outdated(setting: Setting[Any], request: Request, answer: Mapping[str, JSON]) -> Remark:
    """Make the remark on a declaration that is older than what the service has."""
    latest = str(answer.get("latest_version"))
    is_major = setting.version_str.partition(".")[0] != latest.partition(".")[0]
    began = "setting is outdated by a major version" if is_major else "setting is outdated"
    differences = answer.get("differences")
    versions = f"setting {setting.name} is declared with the version {setting.version_str}, the service has {latest}"
    text = f"{began}: {versions}: {_describe_since(request, differences)}"
    extra = {"latest_version": latest, "differences": differences}
    return Remark(logging.WARNING if is_major else logging.INFO, text, extra)


def _describe_since(request: Request, differences: JSON) -> str:
    """Say what has changed since the version that was declared."""
    if not isinstance(request.body, Mapping) or not isinstance(differences, list):
        return str(differences)
    try:
        changes = describe_differences(request.body, differences, is_service_newer=True)
    except MALFORMED:
        return str(differences)
    return "; ".join(changes) or "nothing else differs"


def _find_default(differences: JSON) -> QueriedSetting | None:
    if not isinstance(differences, list):
        return None
    for difference in differences:
        if isinstance(difference, Mapping) and difference.get("attribute") == "default_value":
            return QueriedSetting((), "latest_value" in difference, difference.get("latest_value"))
    return None


def describe_failed_declaration(setting: Setting[Any], error: ServiceError) -> Remark:
    """Say that a declaration failed, why, and what to do about it."""
    # The existing client has other words where there was an answer.
    began = "error when declaring setting" if isinstance(error, StatusError) else "setting declaration failed:"
    status = error.status if isinstance(error, StatusError) else None
    remedy = _PATIENCE if status is None else _REMEDIES.get(status, _PATIENCE)
    # As the existing client logs it.
    details = {"response_content": error.content} if isinstance(error, StatusError) else {}
    return Remark(logging.ERROR, f"{began} {setting.name}: {error}; {remedy}", details, is_rejection=True)
