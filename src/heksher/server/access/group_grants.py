"""What the groups of people at a provider of identities allow: ``support=edit:frontend.`` and the like."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from heksher.server.access.grants import Grant, Grants, parse_grant

GroupGrants = Mapping[str, Grants]

_GRANT_SIGN: Final = "="


def parse_group_grant(text: str) -> tuple[str, Grant]:
    """Return the group and the grant that a text such as ``support=edit:frontend.`` names.

    What stands before the last equals sign is the group: in a directory it can be ``cn=support,ou=groups``.

    Raises:
        ValueError: the text names none; the message says why.
    """
    group, sign, grant = text.rpartition(_GRANT_SIGN)
    if not sign or not group.strip():
        raise ValueError(f"{text!r} is no group with a grant, such as support=edit:frontend.")
    return group.strip(), parse_grant(grant.strip())


def read_group_grants(texts: Iterable[str]) -> GroupGrants:
    """Return the grants of each group; one that stands several times has all of its grants.

    Raises:
        ValueError: as in ``parse_group_grant``.
    """
    found: defaultdict[str, list[Grant]] = defaultdict(list)
    for group, grant in map(parse_group_grant, texts):
        found[group].append(grant)
    return {group: Grants(tuple(dict.fromkeys(grants))) for group, grants in found.items()}


def find_grants(group_grants: GroupGrants, groups: Iterable[str]) -> Grants:
    """Return what somebody may do who is in some groups, each grant once and in the configured order."""
    theirs = set(groups)
    found = (grant for group, grants in group_grants.items() if group in theirs for grant in grants.items)
    return Grants(tuple(dict.fromkeys(found)))
