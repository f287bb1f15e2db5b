"""What tokens and people can be called, and what a password can be."""

import re
from typing import Final
from unicodedata import is_normalized

from heksher.server.access.token import is_token
from heksher.server.errors import InvalidInputError
from heksher.server.limits import MAX_ACCESS_NAME_CHARACTERS, MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS
from heksher.value_type import shorten
from heksher.wire import DOT_SEGMENTS

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


def find_name_fault(name: str) -> str | None:
    """Say why no token and nobody can have a name, such as ``it is empty``; ``None`` if one can."""
    if not name:
        return "it is empty"
    if len(name) > MAX_ACCESS_NAME_CHARACTERS:
        return f"it has {len(name)} characters, and {MAX_ACCESS_NAME_CHARACTERS} are allowed"
    if name != name.strip():
        return "it begins or ends with white space"
    # Two names that look the same would be two people, and a list of them stands in a terminal.
    if not name.isprintable() or not is_normalized("NFC", name):
        return "it has characters that cannot be seen, or is not in Unicode's normal form NFC"
    if name in DOT_SEGMENTS or "/" in name:
        return "the path of a URL cannot have it: leave out slashes, and add a letter to dots"
    # It would stand in the change log, for whoever may read that.
    return "it is a token, which is secret: a name is what the token is called" if is_token(name) else None


def require_name(name: str) -> None:
    """Check that a token or a person can have a name.

    Raises:
        InvalidInputError: none can.
    """
    if fault := find_name_fault(name):
        shown = "" if is_token(name) else f" {shorten(repr(name))}"
        raise InvalidInputError(f"the name{shown} is not possible: {fault}", ("name",))


def require_password(password: str) -> None:
    """Check that somebody can have a password.

    Raises:
        InvalidInputError: nobody can; the message has nothing of it.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise InvalidInputError(
            f"a password has {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters, and this one has"
            f" {len(password)}",
            ("password",),
        )
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise InvalidInputError("a password is Unicode text, and this one is not", ("password",))
    if _CONTROL.search(password):
        raise InvalidInputError("a password has no control characters, which no form can take", ("password",))
