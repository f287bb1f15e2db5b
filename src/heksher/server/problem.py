"""Problem details: what says that a request failed, and why, in the form of RFC 9457.

The v1 contract has forms of its own for the errors that it knows; all others have this one.
"""

from http import HTTPStatus
from typing import Final

from heksher.server.json_form import JSONObject
from heksher.value_type import JSON

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
# The statuses that the v1 contract does not know, so that its routes tell them in this form, too.
NEW_STATUSES: Final = frozenset({401, 403, 412, 421, 507})


def make_problem(status: int, detail: str, **more: JSON) -> JSONObject:
    """Return what an answer says that tells what went wrong.

    Args:
        status: the status of the answer.
        detail: what is wrong, and how to correct it.
        more: further members: what a program may want to know.
    """
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
