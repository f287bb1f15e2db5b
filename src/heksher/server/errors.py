"""Why an operation was refused, without a word of HTTP; ``api/error_handlers.py`` turns each class into an answer.

::

    OperationError
    ├── InvalidInputError       the request itself makes no sense, whatever is stored
    ├── NotAcceptableError      well-formed, but not possible for this object (a value that does not fit, ...)
    ├── NotFoundError           an object that the request names does not exist
    └── ConflictError           it contradicts what is stored
        ├── DuplicateError      what it would add is there already
        └── InUseError          what it would remove is still needed
    StartupError                the service cannot start; the remedy is with whoever starts it
"""

from typing import Literal

from heksher.exceptions import HeksherError

# What was looked for in vain. The last three are only mentioned in a request that is about something else.
MissingKind = Literal[
    "setting",
    "rule",
    "context feature",
    "metadata key",
    "alias",
    "configurable feature",
    "configurable feature of a new setting",
]


class OperationError(HeksherError):
    """Base of the reasons for which an operation is refused."""


class InvalidInputError(OperationError):
    """The request itself makes no sense, whatever is stored.

    Attributes:
        location: the path of the offending part in what was given, such as ``("default_value",)``.
    """

    def __init__(self, message: str, location: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.location = location


class NotAcceptableError(OperationError):
    """The request is well-formed, but not possible for this object."""


class NotFoundError(OperationError):
    """An object that the request names does not exist.

    Attributes:
        kind: what was looked for.
    """

    def __init__(self, message: str, kind: MissingKind) -> None:
        super().__init__(message)
        self.kind: MissingKind = kind


class ConflictError(OperationError):
    """The request contradicts what is stored.

    Attributes:
        conflicts: each reason by itself, where there can be several.
    """

    def __init__(self, message: str, conflicts: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class DuplicateError(ConflictError):
    """What the request would add is there already."""


class InUseError(ConflictError):
    """What the request would remove is still needed."""


class StartupError(HeksherError):
    """The service cannot start as it is configured; the message says what to change."""
