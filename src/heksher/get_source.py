"""The source of what a setting's ``get`` is compiled to, see ``resolver``: written from the shape of the rules only.

In a source, a text in quotes stands for the constant that it names, and ``...`` for ``NOT_GIVEN``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

# What is to be done for a feature without a value: nothing, if no rule depends on it; leave the call to the slow path;
# look up a ContextVar, before that.
Filling: TypeAlias = Literal["nothing", "required", "variable"]


class Block(NamedTuple):
    """Sets of features with the same last feature, by their numbers among the setting's features.

    Attributes:
        last: that feature.
        sets: the features of each in the order in which its table is nested.
    """

    last: int
    sets: tuple[tuple[int, ...], ...]

    @property
    def is_guarded(self) -> bool:
        """Whether to look first if any rule asks for the last feature's value: it saves asking several tables."""
        return len(self.sets) > 1


class Shape(NamedTuple):
    """What the source is written from.

    Attributes:
        fillings: for each feature.
        watched: the features whose values are to be among the tracked ones.
        blocks: in the order of priority.
        is_slow: whether to leave all of it to the slow path.
    """

    fillings: tuple[Filling, ...]
    watched: tuple[int, ...]
    blocks: tuple[Block, ...]
    is_slow: bool = False


def show_source(shape: Shape) -> str:
    """Write the source for a shape, for people who want to see what a setting's ``get`` does.

    In it, a text in quotes stands for the constant that it names, and ``...`` for ``NOT_GIVEN``.
    """
    return "\n".join(_write_source(shape))


def _write_source(shape: Shape) -> Iterator[str]:
    parameters = [f"f{number}" for number in range(len(shape.fillings))]
    slow = f"return 'slow path'.resolve_given(({''.join(f'{parameter}, ' for parameter in parameters)}), contexts)"
    named = f"*, {', '.join(parameters)}, " if parameters else ""
    yield f"def get({named}**contexts):"
    if shape.is_slow:
        yield f"    {slow}"
        return
    yield f"    if contexts: {slow}"
    for number, filling in enumerate(shape.fillings):
        yield from _FILLERS[filling](f"f{number}", f"'variable {number}'", slow)
    if shape.watched or shape.blocks:
        # What raises nothing costs nothing.
        yield "    try:"
        for number in shape.watched:
            yield f"        if f{number} not in 'tracked {number}' and f{number} is not None: {slow}"
        for position, block in enumerate(shape.blocks):
            yield from _write_block(position, block)
        yield f"    except TypeError: {slow}"
    yield "    return 'default'"


def _write_block(position: int, block: Block) -> Iterator[str]:
    indent = "        "
    if block.is_guarded:
        yield f"{indent}if f{block.last} in 'guard {position}':"
        indent += "    "
    for number, levels in enumerate(block.sets):
        yield from _write_look_up(f"'rules {position} {number}'", levels, indent)


def _write_look_up(table: str, levels: tuple[int, ...], indent: str) -> Iterator[str]:
    value, *inner_levels = (f"f{feature}" for feature in levels)
    # Two look-ups without a call are quicker than one with ``get``.
    if not inner_levels:
        yield f"{indent}if {value} in {table}: return {table}[{value}]"
        return
    yield f"{indent}if {value} in {table}:"
    yield f"{indent}    table = {table}[{value}]"
    yield from _write_look_up("table", levels[1:], indent + "    ")


def _fill_nothing(_parameter: str, _constant: str, _slow: str) -> Iterator[str]:
    yield from ()


def _fill_required(parameter: str, _: str, slow: str) -> Iterator[str]:
    yield f"    if {parameter} is None: {slow}"


def _fill_variable(parameter: str, variable: str, slow: str) -> Iterator[str]:
    yield f"    if {parameter} is ...:"
    yield f"        try: {parameter} = {variable}.get()"
    yield f"        except LookupError: {slow}"
    # Given as None, or the variable is, which is all the same.
    yield from _fill_required(parameter, variable, slow)


_FILLERS: Final[Mapping[Filling, Callable[[str, str, str], Iterator[str]]]] = {
    "nothing": _fill_nothing,
    "required": _fill_required,
    "variable": _fill_variable,
}
