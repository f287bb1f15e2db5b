"""Compiling what a setting answers into the code of its ``get``.

Theory
------
``Setting.get`` is the hot path of every program that reads settings, so what can be decided when rules arrive is
decided then. The result is a code object whose keyword-only parameters are the setting's features and whose constants
are the rules, the defaults and nothing else. It reads, for features ``environment, user, theme``::

    def get(*, environment='dev', user=None, theme=NOT_GIVEN, **contexts):
        if contexts: return evaluation.resolve_given(...)              # an unknown feature
        if environment is None: return evaluation.resolve_given(...)    # given as None, which is no value
        if user is None: return evaluation.resolve_given(...)           # needed, and neither given nor a default
        if theme is NOT_GIVEN: theme = variable.get()                    # a ContextVar
        if theme is None: return evaluation.resolve_given(...)
        try:
            if theme in {'dark', 'blue'}:                                # some rule asks for this theme
                if environment in rules_1:
                    table = rules_1[environment]
                    if theme in table: return table[theme]
                if theme in rules_2: return rules_2[theme]
            if user in rules_3: return rules_3[user]
        except TypeError: return evaluation.resolve_given(...)          # a list, which cannot be looked up
        return 60

Sets of features stand in the order of their priority (see ``rules``), those with the same last feature together. As the
last feature decides first, most reads pass such a block after one look-up, whatever the number of rules in it. All that
is rare, above all errors, is left to ``Evaluation.resolve_given``, the plain way of doing the same.

A value that is no text, such as 42, matches no rule, and nothing shows it. To look at the types of values costs as much
as to look up a rule, so that is done in the first reads only, after each compilation: they run other code, which takes
the plain way. The last of them puts the compiled code in place; see ``FirstReads``.

The source is written from the *shape* only: how many features there are, which have defaults, which sets of them have
rules. Equal shapes share one compilation. Names of features (``class`` and ``2fa`` are allowed), rules and defaults are
put into the compiled code afterwards, so nothing that a service or a program says is ever part of a source text.

Where an interpreter keeps constants in another way than the present ones do, they could not all be put in. That is
checked each time, and such a setting is read the plain way: slower, and never wrong.

A setting has one function for its whole life, whose code is replaced. So a reference to it stays live, and an update
is a single assignment: a call runs with the old code or the new one. Only when the client's constant defaults change,
which are the defaults of the function's parameters, there are further ones; see ``CompiledGet.install``.

Source: the designs and figures of measurements.md.
"""

import logging
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from enum import Enum
from functools import lru_cache
from itertools import groupby, islice, repeat
from types import CodeType, FunctionType
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from heksher.context import ContextDefault
from heksher.get_source import Block, Filling, Shape, show_source
from heksher.rule_set import Group
from heksher.wire import FeatureFilter

logger: logging.Logger = logging.getLogger(__name__)


# How many reads look at the types of values, after each compilation: enough to meet a program's usual calls.
FIRST_READS: Final = 100


class NotGiven(Enum):
    """What a feature's parameter is when the call does not name it, and there is a ContextVar to be looked up then.

    ``None`` will not do there: given, it says that there is no value.
    """

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return "<not given>"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN

# Of the features, in the order of the parameters.
GivenValues: TypeAlias = tuple[str | NotGiven | None, ...]


class SlowPath(Protocol):
    """What the code falls back on: an evaluation."""

    def resolve_given(self, values: "GivenValues", contexts: Mapping[str, str | None], /) -> object:
        """Answer, or refuse, a call with these values of the features and these further contexts."""

    def resolve(self, contexts: Mapping[str, str | None], /) -> object:
        """Answer, or refuse, a call with these contexts."""


EvaluationT = TypeVar("EvaluationT", bound=SlowPath)


class FirstReads:
    """The reads of one function after an installation: they take the plain way, which looks at the types of values.

    Args:
        evaluation: answers them.

    Attributes:
        get: returns the function; it is set when there is one, and does not keep it.
    """

    __slots__ = ("_left", "_resolve_given", "get")

    def __init__(self, evaluation: SlowPath) -> None:
        # An iterator, as of several threads that count at the same moment each takes one.
        self._left = repeat(True, FIRST_READS - 1)
        self._resolve_given = evaluation.resolve_given
        self.get: Callable[[], FunctionType | None] = lambda: None

    def resolve_given(self, values: GivenValues, contexts: Mapping[str, str | None], /) -> object:
        """Answer a call as the evaluation does; the last of the first reads ends them."""
        get = None if next(self._left, False) else self.get()
        if get is not None:
            use_compiled_code(get)
        return self._resolve_given(values, contexts)


class CompiledGet(NamedTuple, Generic[EvaluationT]):
    """What a setting's ``get`` is to do from now on.

    Attributes:
        evaluation: what is answered. The code refers to it, but not the other way round.
        code: that of a function without free variables.
        first_code: the same for the first reads.
        first_reads: what that code refers to.
        parameter_defaults: what both take for the defaults of that function's parameters.
    """

    evaluation: EvaluationT
    code: CodeType
    first_code: CodeType
    first_reads: FirstReads
    parameter_defaults: dict[str, object]

    def install(self, get: FunctionType) -> None:
        """Have a function of ``make_get`` answer as the code does; a call sees all of it or nothing."""
        self.first_reads.get = weakref.ref(get)
        get.__globals__["evaluation"] = self.evaluation
        if get.__kwdefaults__ != self.parameter_defaults:
            # Code and defaults cannot be replaced in one step; meanwhile there is code that has no use for defaults,
            # also for a read that ends the first reads of what was there before.
            get.__globals__["code"] = get.__code__ = _SLOW_CODE
            get.__kwdefaults__ = self.parameter_defaults
        get.__globals__["code"] = self.code
        get.__code__ = self.first_code


def use_compiled_code(get: FunctionType) -> None:
    """End the first reads of a function of ``make_get``. May be called by any thread, during an installation, too.

    No thread or signal handler gets its turn between the look-up and the assignment, as there is no call and no loop.
    So what is put in place is never older than what an installation has put there.
    """
    get.__code__ = get.__globals__["code"]


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
    first_reads = FirstReads(evaluation)
    first_code = code if code is _SLOW_CODE else _compile_first_code(features, first_reads)
    return CompiledGet(evaluation, code, first_code, first_reads, _list_parameter_defaults(features, defaults))


def _list_parameter_defaults(features: Sequence[str], defaults: Mapping[str, ContextDefault]) -> dict[str, object]:
    given = {feature: defaults.get(feature) for feature in features}
    return {
        feature: default if default is None or isinstance(default, str) else NOT_GIVEN
        for feature, default in given.items()
    }


def _compile_first_code(features: Sequence[str], first_reads: FirstReads) -> CodeType:
    nothing: list[Filling] = ["nothing"] * len(features)
    template = _compile_template(Shape(tuple(nothing), (), (), is_slow=True))
    return _fill_in(template, {"slow path": first_reads}, features)


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
        _choose_filling(defaults.get(feature), is_needed=feature in needed, is_watched=feature in watched)
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
    if variables:
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


def make_get(setting_name: str, features: Sequence[str], documentation: str | None) -> FunctionType:
    """Make the function of one setting: to be installed to before it is called, and whenever answers change."""
    get = FunctionType(_SLOW_CODE, {}, "get")
    get.__doc__ = documentation
    # With this name begins what Python says of a call with positional arguments, which no code has to look for then.
    feature = features[0] if features else "feature"
    get.__qualname__ = f"setting {setting_name!r}: contexts are keywords, as in get({feature}=...); get"
    return get


@lru_cache(maxsize=512)
def _compile_template(shape: Shape) -> CodeType:
    namespace: dict[str, Any] = {}
    exec(compile(show_source(shape), "<heksher get>", "exec"), namespace)  # noqa: S102 - a shape holds numbers only
    template: CodeType = namespace["get"].__code__
    return template


def _list_watched(features: Sequence[str], tracked: Mapping[str, FeatureFilter] | None) -> dict[str, Collection[str]]:
    """Find the features of which not every value is tracked, and the values that are."""
    if tracked is None:
        return {}
    limits = {feature: tracked.get(feature, frozenset()) for feature in features}
    return {feature: values for feature, values in limits.items() if values is not None}


def _choose_filling(default: "ContextDefault | None", *, is_needed: bool, is_watched: bool) -> Filling:
    if (is_needed or is_watched) and isinstance(default, ContextVar):
        return "variable"
    return "required" if is_needed else "nothing"


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
