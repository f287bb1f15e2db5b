"""Objects with their tags: number and stamp of the last change of each.

Whoever has read an object can demand that it is still so when they change it, so that no change of others is lost.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from heksher.revision_id import RevisionId
from heksher.server.storage.base import Reader
from heksher.server.storage.unit import find_tag

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Tagged(Generic[T_co]):
    """What was read of an object.

    Attributes:
        tag: of the object; ``None`` if it is not known, because the change log is not there.
    """

    content: T_co
    tag: RevisionId | None


def tag(reader: Reader, content: T, revision: int) -> Tagged[T]:
    """Return what was read of an object, whose last change has a revision."""
    return Tagged(content, find_tag(reader, revision) if reader.has_log else None)
