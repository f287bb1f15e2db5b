"""The kinds of options: how each is read from text, and the error for invalid text.

Errors name the source of the text: an environment variable or a command-line option.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from heksher.server.errors import StartupError
from heksher.server.limits import MAX_CONTEXT_FEATURES, MAX_NAME_CHARACTERS
from heksher.wire import is_feature
from heksher.wording import show_text

OptionValue = str | int | bool | tuple[str, ...]

_MAX_NUMBER_DIGITS: Final = 15  # a petabyte has one more
_TRUTH: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class OptionKind(ABC):
    """A kind of option."""

    @abstractmethod
    def read(self, source: str, text: str) -> OptionValue:
        """Return the value that a text stands for.

        Args:
            source: the variable or option that the text comes from.
            text: the text to read.

        Raises:
            StartupError: the text is invalid; the message names the source.
        """

    def read_argument(self, source: str, text: str) -> OptionValue:
        """Return the value of a text from the command line, where some kinds have another syntax."""
        return self.read(source, text)


@dataclass(frozen=True, slots=True)
class Text(OptionKind):
    """Any text but an empty one, which is what a variable of a shell that was never set leaves.

    Attributes:
        metavar: the placeholder for the text where the option is described.
    """

    metavar: str

    def read(self, source: str, text: str) -> str:
        if not text.strip():
            raise StartupError(f"{source}: {text!r} is empty; leave it out for the default")
        return text


@dataclass(frozen=True, slots=True)
class Number(OptionKind):
    """A whole number.

    Attributes:
        what: what the number counts, such as ``number of bytes``.
        least: the smallest valid number.
        most: the largest valid number; ``None`` if there is no limit.
        is_zero_valid: whether 0, which stands for none, is valid as well.
    """

    what: str
    least: int = 0
    most: int | None = None
    is_zero_valid: bool = False

    def read(self, source: str, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_NUMBER_DIGITS):
            raise StartupError(f"{source}: {show_text(text)} is no {self.what}")
        number = int(text)
        if number == 0 and self.is_zero_valid:
            return number
        if number < self.least or (self.most is not None and number > self.most):
            zero = "0, or " if self.is_zero_valid else ""
            end = "on" if self.most is None else f"to {self.most}"
            raise StartupError(f"{source}: the {self.what} must be {zero}from {self.least} {end}, not {number}")
        return number


@dataclass(frozen=True, slots=True)
class Truth(OptionKind):
    """Yes or no."""

    def read(self, source: str, text: str) -> bool:
        try:
            return _TRUTH[text.lower()]
        except KeyError:
            raise StartupError(f"{source}: {show_text(text)} is neither true nor false") from None


@dataclass(frozen=True, slots=True)
class Choice(OptionKind):
    """One of some words."""

    words: tuple[str, ...]

    def read(self, source: str, text: str) -> str:
        if text not in self.words:
            raise StartupError(f"{source}: {show_text(text)} is none of {', '.join(self.words)}")
        return text


@dataclass(frozen=True, slots=True)
class FeatureNames(OptionKind):
    """Names of context features: separated by semicolons in a variable, by commas in an option."""

    def read(self, source: str, text: str) -> tuple[str, ...]:
        return _check_features(source, text.split(";"))

    def read_argument(self, source: str, text: str) -> tuple[str, ...]:
        return _check_features(source, text.split(","))


def _check_features(source: str, features: Sequence[str]) -> tuple[str, ...]:
    for position, feature in enumerate(features):
        if not is_feature(feature) or len(feature) > MAX_NAME_CHARACTERS:
            raise StartupError(
                f"{source}: {show_text(feature)} cannot be a context feature: names consist of letters A-Z and a-z,"
                f" digits and _, at most {MAX_NAME_CHARACTERS} of them"
            )
        if feature in features[:position]:
            raise StartupError(f"{source}: the context feature {feature!r} stands twice")
    if len(features) > MAX_CONTEXT_FEATURES:
        raise StartupError(f"{source}: the service takes at most {MAX_CONTEXT_FEATURES} context features")
    return tuple(features)
