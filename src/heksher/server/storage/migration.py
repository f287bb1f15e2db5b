"""The description of a migration, separate from the code that runs it, which is slow to load."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from one version of the schema to the next.

    Attributes:
        version: the schema version that it leads to.
        title: what it does, as a sentence.
    """

    version: str
    title: str
