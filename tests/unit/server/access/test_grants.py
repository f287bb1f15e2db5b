"""What grants allow."""

import pytest

from heksher.server.access.grants import (
    EVERYTHING,
    NOTHING,
    Grant,
    Grants,
    Role,
    describe_missing,
    parse_grant,
    parse_grants,
    read_grants,
)

INCLUDED = {
    "evaluate": {"evaluate"},
    "read": {"evaluate", "read"},
    "declare": {"evaluate", "read", "declare"},
    "edit": {"evaluate", "read", "edit"},
    "admin": {"evaluate", "read", "declare", "edit", "admin"},
}


@pytest.mark.parametrize("granted", Role)
@pytest.mark.parametrize("asked", Role)
def test_what_a_role_includes(granted: Role, asked: Role):
    """For a setting, and for all of them."""
    grants = parse_grants([granted])
    expected = asked in INCLUDED[granted]
    assert [expected] * 3 == [grants.allow(asked, "a.b"), grants.allow(asked), asked in grants.roles]


@pytest.mark.parametrize("role", ["evaluate", "declare", "edit"])
def test_a_prefix_limits_a_role(role: str):
    """To the settings whose names begin so; what it includes of reading is not limited."""
    grants = parse_grants([f"{role}:a.b."])
    allowed = [grants.allow(Role(role), name) for name in ("a.b.c", "a.b.", "a.bc", "a.b", "b", "A.b.c", "")]
    assert [True, True, False, False, False, False, False] == allowed
    assert (role != "evaluate") == grants.allow(Role.READ) == grants.allow(Role.EVALUATE, "b")
    assert Role(role) in grants.roles
    assert not grants.allow(Role.ADMIN, "a.b.c")


def test_grants_add_up():
    """Each of them is for itself."""
    grants = parse_grants(["edit:a.", "edit:b.", "declare:c."])
    assert [True, True, False] == [grants.allow(Role.EDIT, name) for name in ("a.x", "b.x", "c.x")]
    assert [False, False, True] == [grants.allow(Role.DECLARE, name) for name in ("a.x", "b.x", "c.x")]


def test_nothing_and_everything():
    """Nobody, and whoever starts a command on the machine."""
    assert not any(NOTHING.allow(role, name) for role in Role for name in ("", "a"))
    assert all(EVERYTHING.allow(role, name) for role in Role for name in ("", "a"))


@pytest.mark.parametrize("text", ["evaluate", "read", "declare", "edit", "admin", "edit:a.", "declare:a.b_1."])
def test_a_grant_is_written_as_it_is_read(text: str):
    """So it is stored as people write it."""
    assert text == str(parse_grant(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no grant"),
        ("write", "there are evaluate, read, declare, edit, admin"),
        ("Edit", "is no grant"),
        (" edit", "is no grant"),
        ("edit:", "up to a dot, such as edit:frontend."),
        ("edit:a", "up to a dot"),
        ("edit:a b.", "up to a dot"),
        ("edit:a.\n", "up to a dot"),
        ("edit:ä.", "up to a dot"),
        ("edit:*.", "up to a dot"),
        ("read:a.", "cannot be limited to a prefix"),
        ("admin:a.", "cannot be limited to a prefix"),
        ("read:", "cannot be limited to a prefix"),
    ],
)
def test_what_is_no_grant(text: str, reason: str):
    """The message names it, and says what would be one."""
    with pytest.raises(ValueError, match=reason) as raised:
        parse_grant(text)
    assert repr(text) in str(raised.value)


def test_grants_are_kept_once():
    """In their order."""
    assert Grants((Grant(Role.READ), Grant(Role.EDIT, "a."))) == parse_grants(["read", "edit:a.", "read"])
    assert ("read", "edit:a.") == parse_grants(["read", "edit:a.", "read"]).texts()


def test_a_stored_grant_of_another_version_allows_nothing():
    """And harms no other."""
    assert parse_grants(["read"]) == read_grants(["propose:a.", "read"])


@pytest.mark.parametrize(
    ("setting", "described"),
    [
        ("", "this needs the grant edit:"),
        ("a", "the grant edit for setting 'a' (edit)"),
        ("a.b.c", "the grant edit for setting 'a.b.c' (edit, or edit:a.)"),
    ],
)
def test_what_is_missing_is_named(setting: str, described: str):
    """With the prefix that would do."""
    assert described in describe_missing(Role.EDIT, setting)


def test_a_token_in_place_of_a_grant_is_not_told_to_others():
    """What is wrong with it may be printed, and kept."""
    with pytest.raises(ValueError, match=r"^'hks_\.\.\.' is no grant"):
        parse_grant("hks_" + "a" * 43)
