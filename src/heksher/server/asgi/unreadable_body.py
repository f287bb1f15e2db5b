"""The error of a request whose body is not read."""

from starlette.exceptions import HTTPException


class UnreadableBodyError(HTTPException):
    """Raised by ``receive`` instead of a body. The code that reads the body answers with this error, in its own format.

    A body that is never read is not checked: the answer to such a request has something more important to say.
    """
