"""Why an operation was refused, independent of HTTP. ``api/error_handlers.py`` maps each class to an answer.

::

    OperationError
    ├── NotPermittedError       who asks may not do it
    │   └── HeldBackError       a policy demands a second person for it
    ├── InvalidInputError       the request is invalid, whatever is stored
    ├── NotAcceptableError      well-formed, but not possible for this object (a value that does not fit, ...)
    │   └── BadHeaderError      a header field that existing clients do not send is malformed, or out of place
    ├── NotFoundError           an object that the request names does not exist
    ├── PrunedError             what it asks for was removed from the change log
    ├── FullError               there is no room for what it would add
    ├── OutdatedError           an object is not what the request expects it to be
    ├── StepError               one of several operations that are made together was refused
    └── ConflictError           it contradicts what is stored
        ├── DuplicateError      what it would add is there already
        ├── InUseError          what it would remove is still needed
        └── RevertConflictError what it would take back was changed since, or cannot be what it was
    UnknownCallerError          who asks is not known any more
    StartupError                the service cannot start until its configuration or environment is changed
"""

from collections.abc import Mapping
from typing import Literal

from heksher.exceptions import HeksherError
from heksher.revision_id import RevisionId
from heksher.value_type import JSON

# The kinds of missing objects. The last three are only mentioned in a request about something else.
MissingKind = Literal[
    "setting",
    "rule",
    "context feature",
    "token",
    "person",
    "revision",
    "webhook",
    "proposal",
    "policy",
    "alias",
    "configurable feature",
    "configurable feature of a new setting",
]


class OperationError(HeksherError):
    """Base of the errors with which operations are refused."""


class NotPermittedError(OperationError):
    """Who asks may not do it; the message names the grant that is missing."""


class HeldBackError(NotPermittedError):
    """A policy demands that a second person approves of it; the message says what to do.

    Attributes:
        prefixes: of the policies that do.
    """

    def __init__(self, message: str, prefixes: tuple[str, ...]) -> None:
        super().__init__(message)
        self.prefixes = prefixes


class InvalidInputError(OperationError):
    """The request is invalid, whatever is stored.

    Attributes:
        location: the path of the invalid part in the input, such as ``("default_value",)``.
    """

    def __init__(self, message: str, location: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.location = location


class NotAcceptableError(OperationError):
    """The request is well-formed, but not possible for this object."""


class BadHeaderError(NotAcceptableError):
    """A header field that existing clients do not send is malformed, or does not belong to the request."""


class NotFoundError(OperationError):
    """An object that the request names does not exist.

    Attributes:
        kind: the kind of the missing object.
    """

    def __init__(self, message: str, kind: MissingKind) -> None:
        super().__init__(message)
        self.kind: MissingKind = kind


class PrunedError(OperationError):
    """What the request asks for was removed from the change log; the message says how far that goes back."""


class OutdatedError(OperationError):
    """An object is not what the request expects it to be; the message says who has made it so.

    Attributes:
        current: the object as it is; ``None`` if it is gone.
        tag: of the object; ``None`` if it is gone.
        last_change: what is known of its last change, or of its deletion; ``None`` if that is nothing.
    """

    def __init__(
        self,
        message: str,
        current: Mapping[str, JSON] | None = None,
        tag: RevisionId | None = None,
        last_change: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__(message)
        self.current = current
        self.tag = tag
        self.last_change = last_change


class FullError(OperationError):
    """The service keeps as many settings or rules as it may; the message says what to do."""


class StepError(OperationError):
    """One of several operations that are made together was refused, so none of them was made.

    Attributes:
        number: its place among them, counted from 0.
        cause: why it was refused.
    """

    def __init__(self, number: int, cause: Exception) -> None:
        super().__init__(f"operation {number}: {cause}")
        self.number = number
        self.cause = cause


class ConflictError(OperationError):
    """The request contradicts what is stored.

    Attributes:
        conflicts: the individual reasons, where there can be several.
    """

    def __init__(self, message: str, conflicts: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class DuplicateError(ConflictError):
    """The request would add something that exists already."""


class InUseError(ConflictError):
    """The request would remove something that is still in use."""


class UnknownCallerError(HeksherError):
    """By what who asks was known does not hold any more: it was revoked, or has ended; the message says which.

    No ``OperationError``: of many operations in one request it ends all.
    """


class RevertConflictError(ConflictError):
    """What the request would take back was changed since, or cannot be what it was.

    Attributes:
        changes: the changes that came between, newest first, as lists of changes tell them.
    """

    def __init__(self, message: str, conflicts: tuple[str, ...], changes: tuple[Mapping[str, JSON], ...]) -> None:
        super().__init__(message, conflicts)
        self.changes = changes


class StartupError(HeksherError):
    """The service cannot start as it is configured; the message says what to change."""
