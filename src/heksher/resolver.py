"""Compiling what a setting answers into the code of its ``get``.

Theory
------
``Setting.get`` is the hot path of every program that reads settings, so what can be decided when rules arrive is
decided then. The result is a code object whose keyword-only parameters are the setting's features and whose constants
are the rules, the defaults and nothing else. It reads, for features ``environment, user, theme``::

    def get(*, environment='dev', user=NOT_GIVEN, theme=NOT_GIVEN, **contexts):
        if contexts: return evaluation.resolve_given(...)              # an unknown feature
        if user is NOT_GIVEN: return evaluation.resolve_given(...)      # needed, and neither given nor a default
        if theme is NOT_GIVEN: ...                                       # a ContextVar, looked up
        if theme in {'dark', 'blue'}:                                    # some rule asks for this theme
            if environment in rules_1:
                table = rules_1[environment]
                if theme in table: return table[theme]
            if theme in rules_2: return rules_2[theme]
        if user in rules_3: return rules_3[user]
        return 60

Sets of features stand in the order of their priority (see ``rules``), those with the same last feature together. As the
last feature decides first, most reads pass such a block after one look-up, whatever the number of rules in it. All that
is rare, above all errors, is left to ``Evaluation.resolve_given``, the plain way of doing the same.

The source is written from the *shape* only: how many features there are, which have defaults, which sets of them have
rules. Equal shapes share one compilation. Names of features (``class`` and ``2fa`` are allowed), rules and defaults are
put into the compiled code afterwards, so nothing that a service or a program says is ever part of a source text.

Where an interpreter keeps constants in another way than the present ones do, they could not all be put in. That is
checked each time, and such a setting is read the plain way: slower, and never wrong.

A setting has one function for its whole life, whose code is replaced. So a reference to it stays live, and an update
is a single assignment: a call runs with the old code or the new one. Only when the client's constant defaults change,
which are the defaults of the function's parameters, there is a second assignment; see ``CompiledGet.install``.

Source: the designs and figures of measurements.md.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import groupby, islice
from types import CodeType, FunctionType
from typing import Any, Final, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from heksher.context import ContextDefault
from heksher.rule_set import Group
from heksher.wire import FeatureFilter

logger: logging.Logger = logging.getLogger(__name__)


class NotGiven(Enum):
    """What a feature's parameter is when the call does not name it. ``None`` will not do: it can be given."""

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return "<not given>"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN

# What is to be done for a feature that the call does not name: nothing, if no rule depends on it or the parameter has a
# default; leave the call to the slow path; look up a ContextVar.
Filling: TypeAlias = Literal["nothing", "required", "variable"]


class SlowPath(Protocol):
    """What the code falls back on: an evaluation."""

    def resolve_given(self, values: "tuple[str | NotGiven, ...]", contexts: Mapping[str, str], /) -> object:
        """Answer, or refuse, a call with these values of the features and these further contexts."""

    def resolve(self, contexts: Mapping[str, str], /) -> object:
        """Answer, or refuse, a call with these contexts."""


EvaluationT = TypeVar("EvaluationT", bound=SlowPath)


class CompiledGet(NamedTuple, Generic[EvaluationT]):
    """What a setting's ``get`` is to do from now on.

    Attributes:
        evaluation: what is answered. The code refers to it, but not the other way round.
        code: that of a function without free variables.
        parameter_defaults: what the code takes for the defaults of that function's parameters.
    """

    evaluation: EvaluationT
    code: CodeType
    parameter_defaults: dict[str, object]

    def install(self, get: FunctionType) -> None:
        """Have a function of ``make_get`` answer as the code does; a call sees all of it or nothing."""
        get.__globals__["evaluation"] = self.evaluation
        if get.__kwdefaults__ != self.parameter_defaults:
            # Code and defaults cannot be replaced in one step; meanwhile there is code that has no use for defaults.
            get.__code__ = _SLOW_CODE
            get.__kwdefaults__ = self.parameter_defaults
        get.__code__ = self.code


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
    """

    fillings: tuple[Filling, ...]
    watched: tuple[int, ...]
    blocks: tuple[Block, ...]


def compile_get(
    features: Sequence[str],
    groups: Sequence[Group],
    default_value: object,
    defaults: Mapping[str, ContextDefault],
    tracked: Mapping[str, FeatureFilter] | None,
    evaluation: EvaluationT,
) -> CompiledGet[EvaluationT]:
    """Compile what a setting answers.

    Args:
        features: the setting's, in the order of the parameters.
        groups: its rules, by set of features, the highest priority first.
        default_value: the value where no rule matches.
        defaults: the client's.
        tracked: the client's tracked values; ``None`` when every value is.
        evaluation: is called for all that is rare. It must not refer to the code: a cycle through a code object is
            never collected.
    """
    code = _compile_code(features, groups, default_value, defaults, tracked, evaluation)
    constants = {feature: default for feature, default in defaults.items() if isinstance(default, str)}
    return CompiledGet(evaluation, code, {feature: constants.get(feature, NOT_GIVEN) for feature in features})


def _compile_code(
    features: Sequence[str],
    groups: Sequence[Group],
    default_value: object,
    defaults: Mapping[str, ContextDefault],
    tracked: Mapping[str, FeatureFilter] | None,
    evaluation: SlowPath,
) -> CodeType:
    if groups and not groups[-1].features:
        # A rule without conditions, as stub clients have them, matches where no other does.
        *groups, always = groups
        default_value = always.table
    numbers = {feature: number for number, feature in enumerate(features)}
    needed = {feature for group in groups for feature in group.features}
    # A rule may depend on a feature that the program does not declare, hence cannot give.
    if not needed <= numbers.keys():
        return _SLOW_CODE
    watched = _list_watched(features, tracked)
    fillings = tuple(
        _choose_filling(feature, defaults, needed) if feature in needed or feature in watched else "nothing"
        for feature in features
    )
    blocks = tuple(_make_blocks(groups, numbers))
    variables = [feature for feature, filling in zip(features, fillings, strict=True) if filling == "variable"]
    constants: dict[object, object] = {
        **_list_tables(groups, blocks),
        "slow path": evaluation,
        "default": default_value,
        **{f"variable {numbers[feature]}": defaults[feature] for feature in variables},
        **{f"tracked {numbers[feature]}": values for feature, values in watched.items()},
    }
    if watched or set(fillings) != {"nothing"}:
        constants[...] = NOT_GIVEN
    template = _compile_template(Shape(fillings, tuple(numbers[feature] for feature in watched), blocks))
    return _fill_in(template, constants, features)


def _fill_in(template: CodeType, constants: Mapping[object, object], features: Sequence[str]) -> CodeType:
    """Put constants in the place of what stands for them, and the features' names in that of the parameters'."""
    if not constants.keys() <= set(template.co_consts):
        _warn_of_unexpected_code()
        return _SLOW_CODE
    return template.replace(
        co_consts=tuple(constants.get(constant, constant) for constant in template.co_consts),
        # The parameters, then the template's own variables, under names that no feature has.
        co_varnames=(
            *features,
            _name_rest(features),
            *(f"({variable})" for variable in template.co_varnames[len(features) + 1 :]),
        ),
    )


@lru_cache(maxsize=1)
def _warn_of_unexpected_code() -> None:
    """Say, once in a process, that settings are read slowly."""
    logger.warning("this version of Python keeps constants in another way: settings are read without compiled code")


def _answer_slowly(**contexts: str) -> object:
    """Answer the plain way, whatever the defaults of parameters are, and with no constant that is to be put in."""
    # It stands in the globals of the setting's function, see install.
    return evaluation.resolve(contexts)  # type: ignore[name-defined]  # noqa: F821 - as above


_SLOW_CODE: Final = _answer_slowly.__code__


def make_get(documentation: str | None) -> FunctionType:
    """Make the function of one setting: to be installed to before it is called, and whenever answers change."""
    get = FunctionType(_SLOW_CODE, {}, "get")
    get.__doc__ = documentation
    return get


def show_source(shape: Shape) -> str:
    """Write the source for a shape, for people who want to see what a setting's ``get`` does.

    In it, a text in quotes stands for the constant that it names, and ``...`` for ``NOT_GIVEN``.
    """
    return "\n".join(_write_source(shape))


@lru_cache(maxsize=512)
def _compile_template(shape: Shape) -> CodeType:
    namespace: dict[str, Any] = {}
    exec(compile(show_source(shape), "<heksher get>", "exec"), namespace)  # noqa: S102 - a shape holds numbers only
    template: CodeType = namespace["get"].__code__
    return template


def _write_source(shape: Shape) -> Iterator[str]:
    parameters = [f"f{number}" for number in range(len(shape.fillings))]
    slow = f"return 'slow path'.resolve_given(({''.join(f'{parameter}, ' for parameter in parameters)}), contexts)"
    named = f"*, {', '.join(parameters)}, " if parameters else ""
    yield f"def get({named}**contexts):"
    yield f"    if contexts: {slow}"
    for number, filling in enumerate(shape.fillings):
        yield from _FILLERS[filling](f"f{number}", f"'variable {number}'", slow)
    for number in shape.watched:
        yield f"    if f{number} not in 'tracked {number}' and f{number} is not ...: {slow}"
    for position, block in enumerate(shape.blocks):
        yield from _write_block(position, block)
    yield "    return 'default'"


def _write_block(position: int, block: Block) -> Iterator[str]:
    indent = "    "
    if block.is_guarded:
        yield f"    if f{block.last} in 'guard {position}':"
        indent = "        "
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
    yield f"    if {parameter} is ...: {slow}"


def _fill_variable(parameter: str, variable: str, slow: str) -> Iterator[str]:
    yield f"    if {parameter} is ...:"
    # Not assigned at once: what the slow path is given counts as given by the caller.
    yield f"        try: value = {variable}.get()"
    yield f"        except LookupError: {slow}"
    yield f"        if value is None: {slow}"
    yield f"        {parameter} = value"


_FILLERS: Final[Mapping[Filling, Callable[[str, str, str], Iterator[str]]]] = {
    "nothing": _fill_nothing,
    "required": _fill_required,
    "variable": _fill_variable,
}


def _list_watched(features: Sequence[str], tracked: Mapping[str, FeatureFilter] | None) -> dict[str, Collection[str]]:
    """Find the features of which not every value is tracked, and the values that are."""
    if tracked is None:
        return {}
    limits = {feature: tracked.get(feature, frozenset()) for feature in features}
    return {feature: values for feature, values in limits.items() if values is not None}


def _choose_filling(feature: str, defaults: Mapping[str, ContextDefault], needed: Collection[str]) -> Filling:
    default = defaults.get(feature)
    if default is None:
        return "required" if feature in needed else "nothing"
    return "nothing" if isinstance(default, str) else "variable"


def _make_blocks(groups: Sequence[Group], numbers: Mapping[str, int]) -> Iterator[Block]:
    # Sets with the same last feature follow one another, because that feature is what decides their priority first.
    for last, members in groupby(groups, key=lambda group: group.features[-1]):
        yield Block(numbers[last], tuple(tuple(numbers[feature] for feature in group.levels) for group in members))


def _list_tables(groups: Sequence[Group], blocks: Sequence[Block]) -> dict[object, object]:
    """Return the constants that hold the rules: a dictionary for each set of features, and the guards of the blocks."""
    remaining = iter(groups)
    constants: dict[object, object] = {}
    for position, block in enumerate(blocks):
        members = list(islice(remaining, len(block.sets)))
        constants |= {f"rules {position} {number}": group.table for number, group in enumerate(members)}
        if block.is_guarded:
            constants[f"guard {position}"] = frozenset().union(*(group.last_values() for group in members))
    return constants


def _name_rest(features: Collection[str]) -> str:
    """Find a name for the parameter of unknown features that is no feature's."""
    name = "contexts"
    while name in features:
        name += "_"
    return name
