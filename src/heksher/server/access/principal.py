"""Who asks."""

from dataclasses import dataclass
from typing import Final, Literal

from heksher.server.access.grants import EVERYTHING, NOTHING, Grants

Kind = Literal["token", "person", "nobody"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A token, a person, or nobody, and what they may do.

    Attributes:
        name: of the token or person; empty for nobody.
    """

    kind: Kind
    name: str
    grants: Grants


# Who has no credential, where access is checked; and anybody, where it is not.
NOBODY: Final = Principal("nobody", "", NOTHING)
ANYBODY: Final = Principal("nobody", "", EVERYTHING)
