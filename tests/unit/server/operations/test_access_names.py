"""Names of tokens and people, and passwords."""

import pytest

from heksher.server.access.token import make_token
from heksher.server.errors import InvalidInputError
from heksher.server.operations.access_names import find_name_fault, require_name, require_password


@pytest.mark.parametrize("name", ["a", "Ada Lovelace", "ada@example.com", "李", "a" * 100, "x\\y?#%", "..."])
def test_a_name_is_what_people_are_called(name: str):
    """Of any script, with spaces in between."""
    require_name(name)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "empty"),
        ("a" * 101, "101 characters"),
        (" a", "white space"),
        ("a\n", "white space"),
        ("a\nb", "cannot be seen"),
        ("a\x00b", "cannot be seen"),
        ("a\x1b[2Jb", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ("a\ud800", "cannot be seen"),
        ("A\u0308da", "NFC"),
        ("a/b", "path"),
        ("..", "path"),
        (".", "path"),
        ("hks_" + "a" * 43, "token"),
        ("checkout hks_" + "a" * 43, "token"),
    ],
)
def test_other_texts_are_refused(name: str, fault: str):
    """With what is wrong with them, at the place of the name in a request."""
    assert fault in find_name_fault(name)
    with pytest.raises(InvalidInputError, match=fault) as raised:
        require_name(name)
    assert ("name",) == raised.value.location


def test_a_token_is_never_said():
    """Not even to whoever has sent it as a name: what is said may be logged."""
    token = make_token()
    with pytest.raises(InvalidInputError) as raised:
        require_name(token)
    assert token[4:] not in str(raised.value)


@pytest.mark.parametrize("password", ["8 signs.", "ä" * 8, "\x00" * 8, "a" * 1000])
def test_a_password_is_any_text_of_some_length(password: str):
    """There are no rules for what is in it."""
    require_password(password)


@pytest.mark.parametrize("password", ["", "7 signs", "a" * 1001, "\udcff" * 8])
def test_short_long_and_broken_passwords_are_refused(password: str):
    """Without a word of them."""
    with pytest.raises(InvalidInputError) as raised:
        require_password(password)
    assert ("password",) == raised.value.location
    assert not password or password not in str(raised.value)
