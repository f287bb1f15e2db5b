"""Why an operation was refused, without a word of HTTP. ``api/errors.py`` turns each class into an answer, once.

::

    OperationError
    ├── InvalidInputError       the request itself makes no sense, whatever is stored
    ├── NotAcceptableError      well-formed, but not possible for this object (a value that does not fit, ...)
    ├── NotFoundError           the object that the request is about does not exist
    └── ConflictError           it contradicts what is stored
"""

from heksher.exceptions import HeksherError


class OperationError(HeksherError):
    """Base of the reasons for which an operation is refused."""


class InvalidInputError(OperationError):
    """The request itself makes no sense, whatever is stored.

    Attributes:
        location: the path of the offending part in the request, such as ``("body", "type")``.
    """

    def __init__(self, message: str, location: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.location = location


class NotAcceptableError(OperationError):
    """The request is well-formed, but not possible for this object."""


class NotFoundError(OperationError):
    """An object that the request names does not exist.

    Attributes:
        kind: ``"setting"``, ``"rule"``, ``"context feature"`` or ``"metadata key"``.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ConflictError(OperationError):
    """The request contradicts what is stored.

    Attributes:
        conflicts: each reason by itself, where there can be several.
    """

    def __init__(self, message: str, conflicts: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.conflicts = conflicts
