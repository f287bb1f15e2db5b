"""Whole numbers as arguments."""

import click
import pytest

from heksher.cli.whole_number import WholeNumber


@pytest.mark.parametrize("text", ["1.5", "many", "", "-1", "11"])
@pytest.mark.parametrize(("most", "bounds"), [(10, "from 0 to 10"), (None, "from 0 on")])
def test_the_error_says_which_numbers_there_are(text: str, most: int | None, bounds: str):
    """Whichever way a text is none of them."""
    if (text, most) == ("11", None):
        assert 11 == WholeNumber(0, most).convert(text, None, None)
        return
    with pytest.raises(click.BadParameter) as raised:
        WholeNumber(0, most).convert(text, None, None)
    assert f"{text!r} is no whole number {bounds}" == raised.value.message
