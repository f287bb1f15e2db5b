"""Why an operation was refused."""

import pytest

from heksher.exceptions import HeksherError
from heksher.server import errors


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (errors.InvalidInputError("no", ("a", 1)), errors.OperationError),
        (errors.NotAcceptableError("no"), errors.OperationError),
        (errors.NotFoundError("no", "rule"), errors.OperationError),
        (errors.ConflictError("no", ("a", "b")), errors.OperationError),
        (errors.DuplicateError("no"), errors.ConflictError),
        (errors.InUseError("no"), errors.ConflictError),
        (errors.StartupError("no"), HeksherError),
    ],
)
def test_the_tree_is_as_drawn(error: Exception, base: type[Exception]):
    """Each error is told in its message, and is one of ours."""
    assert isinstance(error, base)
    assert isinstance(error, HeksherError)
    assert "no" == str(error)


def test_errors_carry_what_the_answer_needs():
    """The place of an invalid part, the kind of a missing object, and each conflict by itself."""
    assert ("a", 1) == errors.InvalidInputError("no", ("a", 1)).location
    assert "rule" == errors.NotFoundError("no", "rule").kind
    assert [("a", "b"), ()] == [errors.ConflictError("no", ("a", "b")).conflicts, errors.DuplicateError("no").conflicts]
