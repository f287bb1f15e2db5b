"""Contexts and conditions as arguments: ``environment=dev user=ada``."""

from typing import Any, Final, NamedTuple

import click

from heksher.cli.shared_option import Decorator
from heksher.wire import is_feature


class FeatureValue(click.ParamType[tuple[str, str]]):
    """A context feature and its value, such as ``user=ada``."""

    name = "feature=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return both."""
        feature, equals, text = value.partition("=")
        if not equals or not is_feature(feature):
            self.fail(f"{value!r} is no context feature with its value: write it as user=ada", param, ctx)
        return feature, text


class Question(NamedTuple):
    """What is asked about: settings, by name, and a context."""

    names: list[str]
    context: dict[str, str]


def collect(_ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the values by feature.

    Raises:
        BadParameter: a feature has two.
    """
    collected: dict[str, str] = {}
    for feature, value in pairs:
        if collected.setdefault(feature, value) != value:
            raise click.BadParameter(f"{feature} has two values; give it one", param=param)
    return collected


def collect_conditions(
    ctx: click.Context, param: click.Parameter, pairs: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    """Return the conditions of a rule, by feature.

    Raises:
        BadParameter: there are none, or a feature has two values, or none.
    """
    if not pairs:
        text = "a rule has a condition, such as user=ada; the value for everybody is the default, declared in code"
        raise click.BadParameter(text, param=param)
    for feature, value in pairs:
        if not value:
            text = (
                f"{feature}= has no value, and a rule has none for whoever has no {feature}: give one, or leave it out"
            )
            raise click.BadParameter(text, param=param)
    return collect(ctx, param, pairs)


def read_question(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> Question:
    """Tell the names of settings, which have no equals sign, from the parts of a context.

    Raises:
        BadParameter: a part is none, or a feature has two values.
    """
    names = [text for text in given if "=" not in text]
    pairs = [FeatureValue().convert(text, param, ctx) for text in given if "=" in text]
    return Question(names, collect(ctx, param, tuple(pairs)))


def write_context(given: dict[str, str]) -> dict[str, str | None]:
    """Return a context as a request has it; ``user=`` says that there is no user."""
    return {feature: value or None for feature, value in given.items()}


context_argument: Final[Decorator] = click.argument(
    "context", type=FeatureValue(), nargs=-1, metavar="[FEATURE=VALUE]...", callback=collect
)
question_argument: Final[Decorator] = click.argument(
    "question", nargs=-1, metavar="[SETTING]... [FEATURE=VALUE]...", callback=read_question
)
conditions_argument: Final[Decorator] = click.argument(
    "conditions", type=FeatureValue(), nargs=-1, metavar="FEATURE=VALUE...", callback=collect_conditions
)
