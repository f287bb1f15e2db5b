"""The page on security: what it says of roles and routes is what the service does."""

import re
from fnmatch import fnmatchcase

import pytest

from heksher.server.access.grants import Grant, Role, parse_grant
from tests.support.processes import ROOT
from tests.unit.server.api.test_routing_access import TABLE

PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
NO_CREDENTIAL = "no credential"


def read_rows(heading: str) -> list[list[str]]:
    """Return the cells of the table that follows a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def find_documented_role(route: str) -> str:
    """Return what the page says that a route needs: the role of the longest pattern, or ``""`` for no credential."""
    matching = [
        (len(pattern), role)
        for role, patterns in read_rows("Which route needs which role")
        for pattern in re.findall("`(.*?)`", patterns)
        if fnmatchcase(route, pattern)
    ]
    _, role = max(matching)
    return "" if role == NO_CREDENTIAL else role.strip("`")


def test_the_roles_are_those_that_there_are():
    """Each one in its row, with what it includes, and an example of a prefix if it can have one."""
    for role, (name, allows, includes, limited) in zip(Role, read_rows("Who may do what"), strict=True):
        assert (f"`{role}`", True) == (name, bool(allows))
        included = [other for other in Role if other is not role and Grant(role).allows(other, "")]
        assert ", ".join(f"`{other}`" for other in included) == includes
        if limited:
            assert role is parse_grant(limited.strip("`")).role
        else:
            with pytest.raises(ValueError, match="cannot be limited"):
                parse_grant(f"{role}:frontend.")


@pytest.mark.parametrize("route", TABLE)
def test_a_route_needs_what_the_page_says(route: str):
    """As the table has it by which each route is tried with each grant."""
    assert TABLE[route].role == find_documented_role(route)
