"""What groups at a provider allow."""

import pytest

from heksher.server.access.grants import Grant, Grants, Role
from heksher.server.access.group_grants import find_grants, parse_group_grant, read_group_grants

SUPPORT = Grant(Role.EDIT, "frontend.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("support=edit:frontend.", ("support", SUPPORT)),
        ("platform=admin", ("platform", Grant(Role.ADMIN))),
        ("/platform = admin", ("/platform", Grant(Role.ADMIN))),
        ("cn=support,ou=groups=read", ("cn=support,ou=groups", Grant(Role.READ))),
    ],
)
def test_a_group_and_a_grant_are_read(text: str, expected: tuple[str, Grant]):
    """What stands before the last equals sign is the group."""
    assert expected == parse_group_grant(text)


@pytest.mark.parametrize("text", ["", "support", "=read", " =read", "support=", "support=write", "support=read:a."])
def test_what_is_neither_is_refused(text: str):
    """With a message that teaches."""
    with pytest.raises(ValueError, match=r"grant|cannot be limited"):
        parse_group_grant(text)


def test_somebody_has_the_grants_of_all_their_groups():
    """Each once; a group can have several, and groups without any do not count."""
    groups = read_group_grants(["support=edit:frontend.", "support=read", "platform=admin", "platform=read"])
    assert Grants((SUPPORT, Grant(Role.READ))) == groups["support"]
    assert Grants((SUPPORT, Grant(Role.READ), Grant(Role.ADMIN))) == find_grants(groups, ["platform", "x", "support"])
    assert Grants() == find_grants(groups, ["Support", ""])
