"""What somebody may do: roles, some of which can be limited to the settings whose names begin with a prefix."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from heksher.server.access.token import hide_tokens
from heksher.wire import can_be_stored_name


class Role(StrEnum):
    """What a grant allows.

    * ``evaluate``: to ask for values, without the rules that they come from;
    * ``read``: to read everything that the service holds, and to follow it;
    * ``declare``: to declare settings, and what else code says of them;
    * ``edit``: to change rules and their metadata;
    * ``admin``: everything.
    """

    EVALUATE = "evaluate"
    READ = "read"
    DECLARE = "declare"
    EDIT = "edit"
    ADMIN = "admin"


# The roles that each one includes, itself among them.
_INCLUDED: Final = {
    Role.EVALUATE: frozenset({Role.EVALUATE}),
    Role.READ: frozenset({Role.EVALUATE, Role.READ}),
    Role.DECLARE: frozenset({Role.EVALUATE, Role.READ, Role.DECLARE}),
    Role.EDIT: frozenset({Role.EVALUATE, Role.READ, Role.EDIT}),
    Role.ADMIN: frozenset(Role),
}
# Who may read rules may read all of them (ADR 0014), and what an admin does concerns all settings.
_LIMITABLE: Final = frozenset({Role.EVALUATE, Role.DECLARE, Role.EDIT})


class Permission(Protocol):
    """What somebody may do."""

    def allow(self, role: Role, setting: str = "") -> bool:
        """Return whether a role is granted now: for a setting (canonical name), or for all of them (``""``).

        Raises:
            UnknownCallerError: it is not known any more who it is.
        """

    def allow_somewhere(self, role: Role) -> bool:
        """Return whether a role is granted now, for some settings at least.

        Raises:
            UnknownCallerError: it is not known any more who it is.
        """


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, for all settings or for some.

    Attributes:
        prefix: what the names of the settings begin with, up to a dot; empty for all settings. What a limited role
            includes of ``read`` is not limited.
    """

    role: Role
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.role}:{self.prefix}" if self.prefix else self.role.value

    def allows(self, role: Role, setting: str) -> bool:
        """Return whether this allows a role: for a setting (canonical name), or for all of them (``""``)."""
        if role not in _INCLUDED[self.role]:
            return False
        if role is Role.EVALUATE and self.role is not Role.EVALUATE:
            return True  # by way of ``read``, which is never limited
        return role not in _LIMITABLE or setting.startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Grants:
    """All grants of somebody.

    Attributes:
        roles: the roles that they have for some settings at least.
    """

    items: tuple[Grant, ...] = ()
    roles: frozenset[Role] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", frozenset().union(*(_INCLUDED[grant.role] for grant in self.items)))

    def allow(self, role: Role, setting: str = "") -> bool:
        """Return whether a role is granted: for a setting (canonical name), or for all of them (``""``)."""
        return any(grant.allows(role, setting) for grant in self.items)

    def allow_somewhere(self, role: Role) -> bool:
        """Return whether a role is granted, for some settings at least."""
        return role in self.roles

    def texts(self) -> tuple[str, ...]:
        """Return the grants as people write them."""
        return tuple(map(str, self.items))


NOTHING: Final = Grants()
EVERYTHING: Final = Grants((Grant(Role.ADMIN),))


def describe_missing(role: Role, setting: str = "") -> str:
    """Say which grant somebody lacks who may not do what needs a role.

    Args:
        role: what is needed.
        setting: the canonical name of the setting that it is needed for; empty for none in particular.
    """
    if not setting:
        return f"this needs the grant {role}: ask an admin of this service for it"
    prefix = setting[: setting.find(".") + 1]
    example = f", or {role}:{prefix}" if prefix else ""
    return f"this needs the grant {role} for setting {setting!r} ({role}{example}): ask an admin of this service for it"


def can_be_limited(role: Role) -> bool:
    """Return whether a role can be granted for some settings only."""
    return role in _LIMITABLE


def parse_grant(text: str) -> Grant:
    """Return the grant that a text such as ``read`` or ``edit:frontend.`` stands for.

    Raises:
        ValueError: it stands for none; the message says why.
    """
    name, colon, prefix = text.partition(":")
    try:
        role = Role(name)
    except ValueError:
        raise ValueError(f"{hide_tokens(text)!r} is no grant: there are {', '.join(Role)}") from None
    if not colon:
        return Grant(role)
    if role not in _LIMITABLE:
        raise ValueError(
            f"{text!r}: {role} is for all settings, and cannot be limited to a prefix; only"
            f" {', '.join(sorted(_LIMITABLE))} can. Who may read rules may read all: heksher keeps no secrets"
        )
    if not prefix.endswith(".") or not can_be_stored_name(prefix):
        raise ValueError(f"{text!r}: a prefix is the beginning of names, up to a dot, such as {role}:frontend.")
    return Grant(role, prefix)


def read_grants(texts: Iterable[str]) -> Grants:
    """Return the grants that are stored; one that only another version knows allows nothing."""
    grants = []
    for text in texts:
        with suppress(ValueError):
            grants.append(parse_grant(text))
    return Grants(tuple(grants))


def parse_grants(texts: Iterable[str]) -> Grants:
    """Return the grants that texts stand for, each once.

    Raises:
        ValueError: a text stands for no grant; the message says why.
    """
    return Grants(tuple(dict.fromkeys(map(parse_grant, texts))))
