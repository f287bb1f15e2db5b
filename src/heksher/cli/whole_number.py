"""Whole numbers as arguments."""

from typing import Any

import click

from heksher.wording import show_text


class WholeNumber(click.IntRange):
    """A whole number within bounds; the error says which ones there are."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            end = "on" if self.max is None else f"to {self.max}"
            self.fail(f"{show_text(str(value))} is no whole number from {self.min} {end}", param, ctx)
        return number
