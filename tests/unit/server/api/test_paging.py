"""Lists in pages."""

import asyncio

import pytest
from fastapi.exceptions import RequestValidationError

from heksher.server.api.paging import PageRequest, read_page


def read(cursor: str | None, limit: int = 100) -> PageRequest:
    return asyncio.run(read_page(cursor, limit))


def walk(items: list[str], limit: int) -> list[list[str]]:
    """Return all pages of a list."""
    pages, cursor = [], None
    while True:
        page, cursor = read(cursor, limit).cut(items, str)
        pages.append(page)
        if cursor is None:
            return pages


@pytest.mark.trap(46)
def test_pages_are_the_list():
    """Each item once, in order; a list that fits has one page."""
    assert [["a", "b"], ["é", "李 x"], ["😀"]] == walk(["a", "b", "é", "李 x", "😀"], 2)
    assert [["a", "b"]] == walk(["a", "b"], 2)
    assert [[]] == walk([], 1)


def test_what_changes_meanwhile_moves_nothing():
    """What was told is not told again, and what was there all the time is told."""
    _, cursor = read(None, 2).cut(["b", "d", "f", "h"], str)
    assert (["e", "f"], True) == (
        (after := read(cursor, 2).cut(["a", "b", "e", "f", "h"], str))[0],
        after[1] is not None,
    )


def test_a_cursor_is_plain_in_a_url():
    """Whatever the items are called."""
    _, cursor = PageRequest("", 1).cut(["?/&=+ é", "b"], lambda item: "?/&=+ é~~~" if item != "b" else "b")
    assert cursor.replace("-", "a").replace("_", "a").isalnum()


@pytest.mark.parametrize("cursor", ["", "a", "YQ==", "Y Q", "YQ\n", "YR", "_w", "é", "a" * 5000 + "!"])
def test_what_is_no_cursor_is_refused(cursor: str):
    """Also what is nearly one; the message says where they come from."""
    with pytest.raises(RequestValidationError) as raised:
        read(cursor)
    (fault,) = raised.value.errors()
    assert (("query", "cursor"), True) == (fault["loc"], "next_cursor" in fault["msg"])
