"""The tags of settings, rules and the list of context features on the wire, and what ``If-Match`` says of them.

Source: RFC 9110, sections 8.8.3 and 13.1.1.
"""

import re
from collections.abc import Mapping
from typing import Final

from heksher.revision_id import RevisionId, parse_revision_id
from heksher.server.errors import BadHeaderError
from heksher.server.operations.tagged import Tagged
from heksher.server.storage.base import CONTEXT_FEATURES, RULE, SETTING, Expectation
from heksher.wire import CONTEXT_FEATURES_PATH, RULES_PATH, SETTINGS_PATH

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t]*(?:{_TAG})?)*[ \t]*")
# Tags are compared strongly, so one that is said to be weak is none of ours.
_STRONG: Final = re.compile(r'(W/)?"([^"]*)"')
# All routes below one of these are about one object.
_SETTING_PATH: Final = f"{SETTINGS_PATH}/{{name}}"
_RULE_PATH: Final = f"{RULES_PATH}/{{rule_id}}"


def read_if_match(text: str, path: str, parts: Mapping[str, str]) -> Expectation:
    """Return what a request expects of the object that it is about.

    Args:
        text: the header's value.
        path: the path of the request's route, with the names of its parts in braces.
        parts: the parts of the request's path by these names.

    Raises:
        BadHeaderError: the header is malformed.
        LookupError: the route is about none of the objects that have tags.
    """
    kind, key = _find_object(path, parts)
    if text.strip() == "*":
        return Expectation(kind, key, None)
    if _LIST.fullmatch(text) is None:
        raise BadHeaderError('If-Match: expected tags as answers have them in ETag, such as "17-0123456789ab", or *')
    tags = (parse_revision_id(tag) for is_weak, tag in _STRONG.findall(text) if not is_weak)
    return Expectation(kind, key, frozenset(tag for tag in tags if tag is not None))


def write_tag(tag: RevisionId) -> str:
    """Return a tag as ``ETag`` has it."""
    return f'"{tag}"'


def tell_tag(tagged: Tagged[object]) -> dict[str, str]:
    """Return the header with the tag of an object, if it is known."""
    return {} if tagged.tag is None else {"ETag": write_tag(tagged.tag)}


def _find_object(path: str, parts: Mapping[str, str]) -> tuple[str, str]:
    if path.startswith(_SETTING_PATH):
        return SETTING, parts["name"]
    if path.startswith(_RULE_PATH):
        return RULE, parts["rule_id"]
    if path.startswith(CONTEXT_FEATURES_PATH):
        return CONTEXT_FEATURES, ""
    raise LookupError(f"what {path} is about has no tag")
