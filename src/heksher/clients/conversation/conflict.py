"""A declaration that contradicts what the service has: what differs, and what to do about it, in words."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from heksher.clients.conversation.conversion import Remark
from heksher.clients.conversation.exchange import Request, Response
from heksher.value_type import JSON, shorten
from heksher.wire import is_version, version_key

# Of each of two values, in characters.
_MAX_SHOWN: Final = 60


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
        changes = [_describe_difference(declared, difference) for difference in answer["differences"]]
        levels = {difference["level"] for difference in answer["differences"]}
    # What stands in the answer decides how this fails.
    except (ValueError, LookupError, TypeError, RecursionError):
        return content
    version = declared["version"]
    if not changes or not isinstance(version, str) or not is_version(version):
        return content
    if answer.get("outcome") == "mismatch":
        return f"{'; '.join(changes)}; the version is still {version}: {_advise(version, levels)}"
    return f"{'; '.join(changes)}; version {version} may not change that: {_advise(version, levels)}"


# Any: what is not as promised is noticed by the caller.
def _describe_difference(declared: Mapping[str, JSON], difference: Any) -> str:
    if "message" in difference:
        return str(difference["message"])
    attribute = difference["attribute"]
    before, after = (
        shorten(json.dumps(value), _MAX_SHOWN) for value in (difference["latest_value"], declared[attribute])
    )
    return f"{'default' if attribute == 'default_value' else attribute} changed {before} → {after}"


def _advise(version: str, levels: set[str]) -> str:
    if "mismatch" in levels:
        return "no version can, change what the message names first"
    major, minor = version_key(version)
    return f"set version='{major + 1}.0'" if "major" in levels else f"set version='{major}.{minor + 1}'"
