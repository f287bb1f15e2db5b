"""What there is to know of a migration without loading what runs it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from one version of the schema to the next.

    Attributes:
        version: of the schema that it makes.
        title: what it does, as a sentence.
    """

    version: str
    title: str
