"""What tokens and people can be called, and what a password can be."""

from unicodedata import is_normalized

from heksher.server.access.token import hide_tokens
from heksher.server.errors import InvalidInputError
from heksher.server.limits import MAX_ACCESS_NAME_CHARACTERS, MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS
from heksher.value_type import shorten
from heksher.wire import DOT_SEGMENTS


def find_name_fault(name: str) -> str | None:
    """Say why no token and nobody can have a name, such as ``it is empty``; ``None`` if one can."""
    if not name:
        return "it is empty"
    if len(name) > MAX_ACCESS_NAME_CHARACTERS:
        return f"it has {len(name)} characters, and {MAX_ACCESS_NAME_CHARACTERS} are allowed"
    if fault := _find_form_fault(name):
        return fault
    if name in DOT_SEGMENTS or "/" in name:
        return "the path of a URL cannot have it: leave out slashes, and add a letter to dots"
    # It would stand in the change log, for whoever may read that.
    return "it has a token in it, which is secret: a name is what the token is called" if _has_token(name) else None


def _has_token(name: str) -> bool:
    return hide_tokens(name) != name


def _find_form_fault(name: str) -> str | None:
    """Say how a name could be taken for another one that looks the same; ``None`` if it could not."""
    if name != name.strip():
        return "it begins or ends with white space"
    # A list of names stands in a terminal, too.
    if not name.isprintable():
        return "it has characters that cannot be seen"
    if not is_normalized("NFC", name):
        return "its accents stand apart from their letters: write it in the normal form NFC of Unicode, as keyboards do"
    return None


def require_name(name: str) -> None:
    """Check that a token or a person can have a name.

    Raises:
        InvalidInputError: none can.
    """
    if fault := find_name_fault(name):
        shown = "" if _has_token(name) else f" {shorten(repr(name))}"
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
