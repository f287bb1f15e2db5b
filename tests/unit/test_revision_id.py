"""The number and the stamp of a change."""

import pytest

from heksher.revision_id import RevisionId, parse_revision, parse_revision_id

STAMP = "0123456789ab"


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        ("0", 0),
        ("17", 17),
        ("007", 7),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1_0", None),
        (" 1", None),
        ("1\n", None),
        ("\u0661", None),
        ("\u00b2", None),
    ],
)
def test_a_revision_is_a_whole_number(text: str, revision: int | None) -> None:
    """A revision is written in digits, as many as a database counts with, whether read as text or as bytes."""
    assert [revision] * 2 == [parse_revision(text), parse_revision(text.encode())]


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        ("0", RevisionId(0)),
        ("17", RevisionId(17)),
        (f"17-{STAMP}", RevisionId(17, STAMP)),
        (f"{'9' * 18}-{STAMP}", RevisionId(10**18 - 1, STAMP)),
        (f"{'9' * 19}-{STAMP}", None),
        ("17-", None),
        (f"17-{STAMP[1:]}", None),
        (f"17-{STAMP}0", None),
        (f"17-{STAMP.upper()}", None),
        (f"17 -{STAMP}", None),
        (f"-{STAMP}", None),
        (f"17-{STAMP}\n", None),
        (f"\u0661-{STAMP}", None),
        ("", None),
    ],
)
def test_a_revision_can_have_a_stamp(text: str, revision: RevisionId | None) -> None:
    """A number stands alone, or with a stamp of twelve hexadecimal digits, whether read as text or as bytes."""
    assert [revision] * 2 == [parse_revision_id(text), parse_revision_id(text.encode())]


@pytest.mark.parametrize("text", ["0", "17", f"17-{STAMP}"])
def test_what_is_read_is_written_so(text: str) -> None:
    """A revision is written as it was read."""
    assert text == str(parse_revision_id(text))


@pytest.mark.parametrize(
    ("other", "may_be"),
    [
        (RevisionId(17, STAMP), True),
        (RevisionId(17), True),
        (RevisionId(17, STAMP[::-1]), False),
        (RevisionId(18, STAMP), False),
        (RevisionId(18), False),
    ],
)
def test_a_stamp_tells_equal_numbers_apart(other: RevisionId, *, may_be: bool) -> None:
    """Two revisions can be one if their numbers are the same, and their stamps, as far as they are known."""
    revision = RevisionId(17, STAMP)
    assert [may_be] * 2 == [revision.may_be(other), other.may_be(revision)]
