"""Lists that are told in pages.

Each item has a text that the list is sorted by. The cursor of the next page is that of the last item, so what is added
or removed meanwhile moves nothing: no item is told twice, and none is left out that was there all the time.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query
from fastapi.exceptions import RequestValidationError

from heksher.revision_id import parse_revision
from heksher.server.limits import MAX_PAGE_ITEMS

T = TypeVar("T")

_USUAL_ITEMS: Final = 100


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The page that a request asks for.

    Attributes:
        after: what the last item of the page before is sorted by; empty for the first page.
        limit: how many items the page has at most.
    """

    after: str
    limit: int

    def cut(self, items: Iterable[T], key: Callable[[T], str]) -> tuple[list[T], str | None]:
        """Return the items of the page, and the cursor of the next one; ``None`` if this is the last one.

        Args:
            items: all items, sorted.
            key: returns what an item is sorted by, which is never empty and no other item's.
        """
        rest = [item for item in items if key(item) > self.after]
        page = rest[: self.limit]
        return page, write_cursor(key(page[-1])) if len(rest) > len(page) else None

    def read_number(self) -> int:
        """Return the number that the page before ends with; 0 for the first page.

        Raises:
            RequestValidationError: the cursor is that of another list.
        """
        number = parse_revision(self.after or "0")
        if number is None:
            raise refuse_cursor()
        return number


async def read_page(
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before; absent: the first page")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_PAGE_ITEMS, description="how many items to answer at most")
    ] = _USUAL_ITEMS,
) -> PageRequest:
    """Return the page that a request asks for.

    Raises:
        RequestValidationError: the cursor is none that was told.
    """
    return PageRequest("" if cursor is None else _read_cursor(cursor), limit)


async def read_wanted_page(
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before, beside `limit`")] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=MAX_PAGE_ITEMS, description="how many items to answer at most; absent: all")
    ] = None,
) -> PageRequest | None:
    """Return the page that a request asks for; ``None`` if it asks for the whole list, as the v1 contract has it.

    Raises:
        RequestValidationError: the cursor is none that was told, or stands without a limit.
    """
    if limit is not None:
        return await read_page(cursor, limit)
    if cursor is None:
        return None
    message = "a cursor is for a list in pages: say with limit how many items one has"
    raise RequestValidationError([{"loc": ("query", "limit"), "msg": message, "type": "value_error"}])


# Of a list that was told whole before there were pages.
WantedPageDependency = Annotated[PageRequest | None, Depends(read_wanted_page)]
PageDependency = Annotated[PageRequest, Depends(read_page)]


def write_cursor(key: str) -> str:
    """Return the cursor of the page after the one that ends with a text."""
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        key = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError:
        key = ""
    # What is decoded leniently is not what was told.
    if not key or write_cursor(key) != cursor:
        raise refuse_cursor()
    return key


def refuse_cursor() -> RequestValidationError:
    """Return the error of a request whose cursor is none of the list that it asks for."""
    message = "this is no cursor of this list: take next_cursor of the page before, as it is"
    return RequestValidationError([{"loc": ("query", "cursor"), "msg": message, "type": "value_error"}])
