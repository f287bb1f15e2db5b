"""What identifies a change of a service's data: its number, and a stamp.

Numbers count the changes of one history of the database. After a backup was restored, or a standby took over that
lacked changes, the database goes on with another history, in which a number can mean another change. The stamps of the
two differ, because each change gets one at random.

On the wire this is ``17-0123456789ab``, or ``17`` where the stamp is not known. Client, service and storage share it.
"""

import re
from typing import Final, NamedTuple

# They fit the 64-bit integers of every database and language, and Python itself refuses to read thousands of digits.
MAX_REVISION_DIGITS: Final = 18
REVISION_ID_PATTERN: Final = f"[0-9]{{1,{MAX_REVISION_DIGITS}}}(?:-[0-9a-f]{{12}})?"


class RevisionId(NamedTuple):
    """A change.

    Attributes:
        number: its number; 0 for the state before the first change.
        stamp: twelve hexadecimal digits; empty if it is not known, and for the number 0.
    """

    number: int
    stamp: str = ""

    def __str__(self) -> str:
        return f"{self.number}-{self.stamp}" if self.stamp else str(self.number)

    def may_be(self, other: "RevisionId") -> bool:
        """Return whether both can be the same change: the numbers are equal, and so are the stamps, if both are known.

        Args:
            other: another change.
        """
        return self.number == other.number and (self.stamp == other.stamp or not (self.stamp and other.stamp))


def parse_revision(text: str | bytes) -> int | None:
    """Return the number of a change that stands alone; ``None`` if the text is something else."""
    is_number = text.isdigit() and text.isascii() and len(text) <= MAX_REVISION_DIGITS
    return int(text) if is_number else None


def parse_revision_id(text: str | bytes) -> RevisionId | None:
    """Return the change that a header field or the id of an event names; ``None`` if the text is something else."""
    written = text.decode("latin-1") if isinstance(text, bytes) else text
    if re.fullmatch(REVISION_ID_PATTERN, written) is None:
        return None
    number, _, stamp = written.partition("-")
    return RevisionId(int(number), stamp)
