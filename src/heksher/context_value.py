"""What a value of a context feature can be, and how it is written in context filters and searches.

Theory
------
Existing services and clients know *plain* values: letters, digits and underscores. A service that announces
``any-values`` takes any text that a person could mean by a value: one line, in one normal form, so that what looks the
same is the same. What begins with ``*``, and ``<none>``, are left out, because the existing management page means
"every value" and "no value" by them: a slip there would become a rule.

In a filter or a search a plain value stands as it is, and any value can stand as a JSON string::

    user:(guest,"alice@example.com"),environment:("eu-west-1")

A filter may list more than rules can have: plain values of any length, as existing clients send them, and ``*``, which
inside a list is that text and not every value. They let nothing through.

Source: docs/reference/http-api.md, *Names*.
"""

import json
import re
from typing import Final

MAX_VALUE_CHARACTERS: Final = 256

# The text that means every value where a filter stands, and a value where a list of values stands.
EVERY_VALUE: Final = "*"

PLAIN_VALUE_PATTERN: Final = "[A-Za-z0-9_]+"
# Source: RFC 8259, section 7. Possessive: whoever matches megabytes would remember each place to go back to.
_STRING_PATTERN: Final = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+"'
WRITTEN_VALUE_PATTERN: Final = f"(?:{PLAIN_VALUE_PATTERN}|{_STRING_PATTERN})"

_NO_VALUE: Final = "<none>"
# By general category of Unicode, and all characters of these, which no version of Unicode changes.
_FORBIDDEN: Final = {
    "Cc": "a control character",
    "Cs": "half a surrogate pair",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_FORBIDDEN_PATTERN: Final = "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\u2028\\u2029]"


def is_plain_value(text: str) -> bool:
    """Return whether a text is a value that every service takes, as far as its characters go."""
    return re.fullmatch(PLAIN_VALUE_PATTERN, text) is not None


def find_value_fault(text: str) -> str | None:
    """Say why no rule can have a text as a value, such as ``it is empty``; ``None`` if one can."""
    if not text:
        return "it is empty"
    if len(text) > MAX_VALUE_CHARACTERS:
        return f"it has {len(text)} characters, and {MAX_VALUE_CHARACTERS} are allowed"
    if is_plain_value(text):
        return None
    if text.startswith(EVERY_VALUE):
        return "it begins with *, which stands for every value"
    if text == _NO_VALUE:
        return "it stands for no value"
    return _find_character_fault(text)


def find_listed_fault(text: str) -> str | None:
    """Say why no filter can list a text among its values; ``None`` if one can."""
    return None if text == EVERY_VALUE or is_plain_value(text) else find_value_fault(text)


def write_value(value: str) -> str:
    """Write a value as it stands in filters and searches: plain, or as a JSON string."""
    return value if is_plain_value(value) else json.dumps(value, ensure_ascii=False)


def read_value(written: str) -> str:
    """Read what ``write_value`` wrote, or another text that ``WRITTEN_VALUE_PATTERN`` matches."""
    return str(json.loads(written)) if written.startswith('"') else written


def _find_character_fault(text: str) -> str | None:
    # Has tables of its own, which a program with plain values does not need.
    import unicodedata  # noqa: PLC0415 - see above

    if found := re.search(_FORBIDDEN_PATTERN, text):
        return f"it has {_FORBIDDEN[unicodedata.category(found[0])]}, U+{ord(found[0]):04X}"
    if text != text.strip():
        return "it begins or ends with white space"
    if not unicodedata.is_normalized("NFC", text):
        return "it is not in the normal form NFC of Unicode: send what unicodedata.normalize('NFC', text) gives"
    return None
