"""A declaration that contradicts what the service has: what differs, and what to do about it, in words."""

import json
import logging
from collections.abc import Mapping

from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.declaration_difference import MALFORMED, describe_differences
from heksher.clients.conversation.exchange import Request, Response
from heksher.value_type import JSON
from heksher.wire import is_version, version_key


def remark_conflict(setting_name: str, request: Request, response: Response) -> Remark:
    """Make the remark on a declaration that was answered with a conflict."""
    content = response.body.decode(errors="replace")
    reason = describe_conflict(request.body, content) if isinstance(request.body, Mapping) else content
    text = f"conflict when declaring setting {setting_name}, whose values the service goes on to decide: {reason}"
    return Remark(logging.ERROR, text, {"response_content": content}, is_rejection=True)


def describe_conflict(declared: Mapping[str, JSON], content: str) -> str:
    """Say in which attributes a declaration differs from the service's, and which version would be accepted.

    Args:
        declared: the declaration's JSON.
        content: what the service answered. Where that is not what the API promises, it is returned as it is.
    """
    try:
        answer = json.loads(content)
        changes = describe_differences(declared, answer["differences"], is_service_newer=False)
        levels = {difference["level"] for difference in answer["differences"]}
    except MALFORMED:
        return content
    version = declared["version"]
    if not changes or not isinstance(version, str) or not is_version(version):
        return content
    if answer.get("outcome") == "mismatch":
        return f"{'; '.join(changes)}; the version is still {version}: {_advise(version, levels)}"
    return f"{'; '.join(changes)}; version {version} may not change that: {_advise(version, levels)}"


def _advise(version: str, levels: set[str]) -> str:
    if "mismatch" in levels:
        return "no version can, change what the message names first"
    major, minor = version_key(version)
    return f"set version='{major + 1}.0'" if "major" in levels else f"set version='{major}.{minor + 1}'"
