"""What a setting answers, and why: the rules and the default that hold at one moment.

An ``Evaluation`` is immutable. An update makes a new one and gives it to the setting by a single assignment, so a
reader sees the old or the new one and never a mixture.
"""

from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from heksher.context import ClientContext
from heksher.context_value import is_plain_value
from heksher.difference import Answers, is_same
from heksher.exceptions import InvalidContextError, UnknownFeatureError
from heksher.explanation import Explanation
from heksher.resolver import CompiledGet, NotGiven, compile_get
from heksher.rule_set import NO_RULE, NO_VALUE, NoRule, RuleSet
from heksher.wording import show_value

T = TypeVar("T")

DefaultSource: TypeAlias = Literal["server default", "local default"]


class Evaluation(Generic[T]):
    """The rules and the default of one setting at one moment.

    Args:
        rules: what the service said last, as far as it was accepted.
        default_value: the value where no rule matches.
        default_source: whose default that is.
        context: the defaults and tracked values of the client that the setting belongs to.
        configurable_features: the features that a read may name.
    """

    __slots__ = ("_configurable_features", "_context", "_default_source", "default_value", "rules")

    def __init__(
        self,
        rules: RuleSet[T],
        default_value: T,
        default_source: DefaultSource,
        context: ClientContext,
        configurable_features: tuple[str, ...],
    ) -> None:
        self.rules: RuleSet[T] = rules
        self.default_value: T = default_value
        self._default_source = default_source
        self._context = context
        self._configurable_features = configurable_features

    def compile(self) -> "CompiledEvaluation[T]":
        """Compile the evaluation for ``Setting.get``, with the defaults and tracked values that the client has now."""
        defaults, tracked = self._context.state
        return compile_get(self._configurable_features, self.rules.groups, self.default_value, defaults, tracked, self)

    def replace_default(self, default_value: T, *, is_server_default: bool) -> "Evaluation[T]":
        """Return the same rules with another default; this evaluation, if it has that one already."""
        if default_value is self.default_value and is_server_default == self.is_server_default:
            return self
        source: DefaultSource = "server default" if is_server_default else "local default"
        return Evaluation(self.rules, default_value, source, self._context, self._configurable_features)

    @property
    def is_server_default(self) -> bool:
        """Whether the default is one that the service sent."""
        return self._default_source == "server default"

    def resolve(self, contexts: Mapping[str, str | None]) -> T:
        """Return the value in a context.

        Raises:
            UnknownFeatureError: the context names a feature that the setting is not configurable by.
            MissingContextError: a feature is needed that has neither a value nor a default.
            InvalidContextError: a rule is to be found by a value that cannot be looked up, such as a list.
        """
        value = self._find_value(self._complete(contexts))
        return self.default_value if value is NO_RULE else value

    def resolve_given(self, values: tuple[str | NotGiven | None, ...], contexts: Mapping[str, str | None], /) -> T:
        """Do what ``resolve`` does, for values of the configurable features, or ``NOT_GIVEN``, and further contexts."""
        given = zip(self._configurable_features, values, strict=True)
        return self.resolve(
            {**{feature: value for feature, value in given if not isinstance(value, NotGiven)}, **contexts}
        )

    def explain(self, contexts: Mapping[str, str | None]) -> Explanation[T]:
        """Return the value in a context and why it is that. Raises what ``resolve`` raises."""
        context = self._complete(contexts)
        relevant = {feature: context[feature] for feature in self._configurable_features if feature in context}
        value = self._find_value(context)
        # A rule on a feature that the context lacks can only come after the winner, or never matches.
        winner, *losing_rules = self.rules.find_matches(context) or (None,)
        return Explanation(
            setting=self.rules.setting_name,
            context=relevant,
            value=self.default_value if value is NO_RULE else value,
            source=self._default_source if winner is None else "rule",
            rule=winner,
            losing_rules=tuple(losing_rules),
        )

    def answers_as(self, other: "Evaluation[Any]") -> bool:
        """Return whether another evaluation gives the same value, of the same type, wherever this one gives a value.

        Neither numbers nor order of rules matter, nor what the client's defaults are for features that a read may name.
        """
        return is_same(self._list_answers(), other._list_answers())

    def _list_answers(self) -> Answers:
        hidden = {feature for group in self.rules.groups for feature in group.features}
        hidden.difference_update(self._configurable_features)
        defaults = {feature: self._context.defaults.get(feature, NO_VALUE) for feature in hidden}
        # A ContextVar can take any value.
        fixed = {feature: default for feature, default in defaults.items() if not isinstance(default, ContextVar)}
        return Answers(self.rules, self.default_value, fixed)

    def _find_value(self, context: Mapping[str, str]) -> T | NoRule:
        try:
            return self.rules.find_value(context)
        except TypeError:
            unusable = [feature for feature in self._configurable_features if not _has_hash(context.get(feature))]
            if not unusable:
                raise
        raise InvalidContextError(
            f"setting {self.rules.setting_name!r} cannot be read with"
            f" {unusable[0]}={show_value(context[unusable[0]])}: the value of a context feature is a text"
        )

    def _complete(self, contexts: Mapping[str, str | None]) -> Mapping[str, str]:
        if unknown := contexts.keys() - set(self._configurable_features):
            raise UnknownFeatureError(
                f"setting {self.rules.setting_name!r} is not configurable by {', '.join(sorted(unknown))};"
                f" its features are {', '.join(self._configurable_features)}"
            )
        setting_name, completed = self.rules.setting_name, self._context.complete(contexts)
        for feature in self._configurable_features:
            value = completed.get(feature)
            if value is not None:
                completed[feature] = self._check_value(feature, value)
        context = _Context(completed, self._configurable_features, partial(self._context.note_missing, setting_name))
        self._context.note_untracked(setting_name, self._configurable_features, context)
        return context

    def _check_value(self, feature: str, value: Any) -> Any:
        """Return a value as what rules are compared with; have one that never matches noted."""
        if not isinstance(value, str):
            self._context.note_type(self.rules.setting_name, feature, value)
            return value
        # It may be a member of a StrEnum. Not str(value), which such a class may have made its own.
        text = str.__str__(value)
        if not is_plain_value(text):
            self._context.note_text(self.rules.setting_name, feature, text)
        return text


CompiledEvaluation: TypeAlias = CompiledGet[Evaluation[T]]


class _Context(dict[str, str]):
    """A context that knows which features its caller could have given.

    The service's setting may have become configurable by more features than the program declares. A rule on one of
    those matches by the client's default, or not at all: its absence is nobody's mistake.

    Args:
        note_missing: is told of each feature that is missing though the caller could have given it; returns whether
            that is passed over.
    """

    def __init__(
        self, values: Mapping[str, str], expected_features: Collection[str], note_missing: Callable[[str], bool]
    ) -> None:
        super().__init__(values)
        self._expected_features = expected_features
        self._note_missing = note_missing

    def __missing__(self, feature: str) -> str:
        if feature in self._expected_features:
            if not self._note_missing(feature):
                raise KeyError(feature)
            # So that one read counts once, however many rules ask.
            self[feature] = NO_VALUE
        return NO_VALUE


def _has_hash(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
