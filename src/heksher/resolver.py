"""Compiling what a setting answers into the code of its ``get``.

Theory
------
``Setting.get`` is the hot path of every program that reads settings, so what can be decided when rules arrive is
decided then. The result is a code object whose keyword-only parameters are the setting's features and whose constants
are the rules, the defaults and nothing else. It reads, for features ``environment, user, theme``::

    def get(*, environment, user, theme, **contexts):
        if contexts: return evaluation.resolve_given(...)              # an unknown feature
        if environment is NOT_GIVEN: environment = 'dev'                 # the client's default
        if user is NOT_GIVEN: return evaluation.resolve_given(...)      # needed, and neither given nor a default
        if theme is NOT_GIVEN: ...                                       # a ContextVar, looked up
        if theme in {'dark', 'blue'}:                                    # some rule asks for this theme
            rule = rules_1.get((environment, theme))
            if rule is not None: return rule[2]
            if theme in rules_2: return rules_2[theme][2]
        if user in rules_3: return rules_3[user][2]
        return 60

Sets of features stand in the order of their priority (see ``rules``), those with the same last feature together. As the
last feature decides first, most reads pass such a block after one look-up, whatever the number of rules in it. All that
is rare, above all errors, is left to ``Evaluation.resolve_given``, the plain way of doing the same.

The source is written from the *shape* only: how many features there are, which have defaults, which sets of them have
rules. Equal shapes share one compilation. Names of features (``class`` and ``2fa`` are allowed), rules and defaults are
put into the compiled code afterwards, so nothing that a service or a program says is ever part of a source text.

A setting has one function for its whole life, whose code is replaced. So a reference to it stays live, and an update
is a single assignment: a call runs with the old code or the new one.

Source: the designs and figures of measurements.md.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from itertools import groupby, islice
from types import CodeType, FunctionType
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from heksher.context import ContextDefault
from heksher.rules import Group
from heksher.wire import FeatureFilter


class NotGiven(Enum):
    """What a feature's parameter is when the call does not name it. ``None`` will not do: it can be given."""

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return "<not given>"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN

# Where a feature's value comes from when the call does not name it. "ignored": nothing depends on the feature.
Filling: TypeAlias = Literal["ignored", "required", "constant", "variable"]


class SlowPath(Protocol):
    """What the code falls back on."""

    def resolve_given(self, values: "tuple[str | NotGiven, ...]", contexts: Mapping[str, str], /) -> object:
        """Answer, or refuse, a call with these values of the features and these further contexts."""


class Block(NamedTuple):
    """Sets of features with the same last feature, by their numbers among the setting's features."""

    last: int
    sets: tuple[tuple[int, ...], ...]

    @property
    def is_guarded(self) -> bool:
        """Tell whether to look first if any rule asks for the last feature's value.

        A single dictionary that is keyed by that value is as quick itself.
        """
        return self.sets != ((self.last,),)


class Shape(NamedTuple):
    """What the source is written from.

    Attributes:
        is_slow: whether every call is left to the slow path.
        fillings: for each feature.
        watched: the features whose values are to be among the tracked ones.
        blocks: in the order of priority.
    """

    is_slow: bool
    fillings: tuple[Filling, ...]
    watched: tuple[int, ...]
    blocks: tuple[Block, ...]


def compile_get(
    features: Sequence[str],
    groups: Sequence[Group],
    default_value: object,
    defaults: Mapping[str, ContextDefault],
    tracked: Mapping[str, FeatureFilter] | None,
    slow_path: SlowPath,
) -> CodeType:
    """Compile what a setting answers.

    Args:
        features: the setting's, in the order of the parameters.
        groups: its rules, by set of features, the highest priority first.
        default_value: the value where no rule matches.
        defaults: the client's.
        tracked: the client's tracked values; ``None`` when every value is.
        slow_path: is called for all that is rare. It must not refer to the code: a cycle through a code object is never
            collected.

    Returns:
        The code of a function without free variables, whose parameters must default to ``NOT_GIVEN``.
    """
    if groups and not groups[-1].features:
        # A rule without conditions, as stub clients have them, matches where no other does.
        *groups, always = groups
        default_value = always.rules[()].value
    numbers = {feature: number for number, feature in enumerate(features)}
    needed = {feature for group in groups for feature in group.features}
    # A rule may depend on a feature that the program does not declare, hence cannot give.
    is_slow = not needed <= numbers.keys()
    watched = _list_watched(features, tracked)
    fillings = tuple(
        _choose_filling(feature, defaults, needed) if feature in needed or feature in watched else "ignored"
        for feature in features
    )
    blocks = () if is_slow else tuple(_make_blocks(groups, numbers))
    constants: dict[object, object] = {
        **_list_tables(groups, blocks),
        ...: NOT_GIVEN,
        "slow path": slow_path,
        "default": default_value,
        **{f"filling {number}": defaults.get(feature) for feature, number in numbers.items()},
        **{f"tracked {numbers[feature]}": values for feature, values in watched.items()},
    }
    template = _compile_template(Shape(is_slow, fillings, tuple(numbers[feature] for feature in watched), blocks))
    return template.replace(
        co_consts=tuple(constants.get(constant, constant) for constant in template.co_consts),
        # The parameters, then the template's own variables, under names that no feature has.
        co_varnames=(
            *features,
            _name_rest(features),
            *(f"({variable})" for variable in template.co_varnames[len(features) + 1 :]),
        ),
    )


def make_get(code: CodeType, features: Sequence[str], documentation: str | None) -> FunctionType:
    """Make the function of one setting, to be given other code whenever its answers change."""
    get = FunctionType(code, {}, "get")
    get.__kwdefaults__ = dict.fromkeys(features, NOT_GIVEN)
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
    yield f"def get(*, {', '.join(parameters)}, **contexts):"
    if shape.is_slow:
        yield f"    {slow}"
        return
    yield f"    if contexts: {slow}"
    for number, filling in enumerate(shape.fillings):
        yield from _FILLERS[filling](f"f{number}", f"'filling {number}'", slow)
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
    for number, features in enumerate(block.sets):
        rules = f"'rules {position} {number}'"
        if len(features) > 1:
            # One look-up, as a tuple does not keep its hash ...
            yield f"{indent}rule = {rules}.get(({', '.join(f'f{feature}' for feature in features)}))"
            yield f"{indent}if rule is not None: return rule[2]"
        else:
            # ... but a string does, and two look-ups without a call are quicker then.
            yield f"{indent}if f{block.last} in {rules}: return {rules}[f{block.last}][2]"


def _fill_nothing(_parameter: str, _constant: str, _slow: str) -> Iterator[str]:
    yield from ()


def _fill_required(parameter: str, _: str, slow: str) -> Iterator[str]:
    yield f"    if {parameter} is ...: {slow}"


def _fill_constant(parameter: str, constant: str, _: str) -> Iterator[str]:
    yield f"    if {parameter} is ...: {parameter} = {constant}"


def _fill_variable(parameter: str, variable: str, slow: str) -> Iterator[str]:
    yield f"    if {parameter} is ...:"
    # Not assigned at once: what the slow path is given counts as given by the caller.
    yield f"        try: value = {variable}.get()"
    yield f"        except LookupError: {slow}"
    yield f"        if value is None: {slow}"
    yield f"        {parameter} = value"


_FILLERS: Final[Mapping[Filling, Callable[[str, str, str], Iterator[str]]]] = {
    "ignored": _fill_nothing,
    "required": _fill_required,
    "constant": _fill_constant,
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
        return "required" if feature in needed else "ignored"
    return "constant" if isinstance(default, str) else "variable"


def _make_blocks(groups: Sequence[Group], numbers: Mapping[str, int]) -> Iterator[Block]:
    # Sets with the same last feature follow one another, because that feature is what decides their priority first.
    for last, members in groupby(groups, key=lambda group: group.features[-1]):
        yield Block(numbers[last], tuple(tuple(numbers[feature] for feature in group.features) for group in members))


def _list_tables(groups: Sequence[Group], blocks: Sequence[Block]) -> dict[object, object]:
    """Give the constants that hold the rules: a dictionary for each set of features, and the guards of the blocks."""
    remaining = iter(groups)
    constants: dict[object, object] = {}
    for position, block in enumerate(blocks):
        members = list(islice(remaining, len(block.sets)))
        constants |= {f"rules {position} {number}": group.rules for number, group in enumerate(members)}
        if block.is_guarded:
            constants[f"guard {position}"] = frozenset(value for group in members for value in group.last_values())
    return constants


def _name_rest(features: Collection[str]) -> str:
    """Find a name for the parameter of unknown features that is no feature's."""
    name = "contexts"
    while name in features:
        name += "_"
    return name
