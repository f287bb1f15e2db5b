"""Problem details: the form of errors that the v1 contract knows nothing of.

They have a text ``detail``, as the errors of v1 have, so that whoever reads that need not know which of both came.

Source: RFC 9457.
"""

from http import HTTPStatus
from typing import Final

PROBLEM_TYPE: Final = "application/problem+json"

# With these the contract's routes are answered in this form, too: the existing service has no such answers.
NEW_STATUSES: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PRECONDITION_FAILED,
        HTTPStatus.MISDIRECTED_REQUEST,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)


def make_problem(status: int, detail: str, **more: object) -> dict[str, object]:
    """Return problem details. Without a type they are those of their status, as the title says.

    Args:
        status: of the answer.
        detail: what is wrong, and how to correct it.
        more: further members.
    """
    return {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
