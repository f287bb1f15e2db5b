"""Which open proposals are about what a write has changed: told to who asks for that, and to nobody else.

Such a proposal will be stale, unless the change is taken back. The header that asks is that of RFC 7240.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Final

from fastapi import Header, Response
from starlette.requests import Request

from heksher.server.asgi.header_fields import PREFER, get_fields
from heksher.server.operations.remembered import list_subjects_of
from heksher.server.storage.base import LoggedChange, Storage
from heksher.server.storage.storage_errors import StorageUnavailableError

OPEN_PROPOSALS_HEADER: Final = "Heksher-Open-Proposals"

_PREFERENCE: Final = "open-proposals"

# Only described here.
PreferHeader = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description=f"`{_PREFERENCE}` asks for the header `{OPEN_PROPOSALS_HEADER}`: the ids of the open proposals that"
        " are about what the write has changed, or, in a dry run, would change; not there if there are none",
        examples=[_PREFERENCE],
    ),
]


def wants_open_proposals(request: Request) -> bool:
    """Return whether a request asks to be told of open proposals."""
    preferences = get_fields(request.scope).get(PREFER, b"").decode("latin-1").split(",")
    return any(preference.partition(";")[0].strip().lower() == _PREFERENCE for preference in preferences)


def tell_open_proposals(answer: object, changes: Iterable[LoggedChange], storage: Storage) -> None:
    """Put into the answer to a write which open proposals are about the same."""
    subjects = list_subjects_of(changes)
    # What the write has done is done, whether or not this can be found out.
    with suppress(StorageUnavailableError):
        found = storage.read(lambda reader: reader.proposals_about(subjects)) if subjects else []
        if found and isinstance(answer, Response):
            answer.headers[OPEN_PROPOSALS_HEADER] = ", ".join(map(str, found))
