"""The part of a setting that its changes depend on: its attributes, and what it answers.

A setting answers from its ``Evaluation``, which the client replaces when something has changed. Until a client did so,
that is the local default and no rules. What ``get`` runs is compiled from it, see ``resolver``.
"""

from collections.abc import Mapping
from typing import Any, Generic, NoReturn, Self, TypeVar

from heksher.context import ClientContext
from heksher.declaration_check import check_declaration, check_default
from heksher.evaluation import CompiledEvaluation, Evaluation
from heksher.explanation import Explanation
from heksher.resolver import make_get
from heksher.rule_set import RuleSet
from heksher.setting_type import SettingType, setting_type
from heksher.subscription import Subscribers
from heksher.value_type import JSON

T = TypeVar("T")


class Readable(Generic[T]):
    """How a setting is read, for type checkers and documentation; at run time a setting has compiled code instead."""

    _evaluation: Evaluation[T]

    def get(self, /, **contexts: str) -> T:
        """Return the setting's value in a context, from memory.

        Args:
            contexts: values of configurable features. For others, the client's defaults are used.

        Returns:
            The value of the rule that wins; else the service's default; else, also before the first update and
            without a client, ``default_value``. Sequences are tuples, mappings are read-only.

        Raises:
            UnknownFeatureError: (a ``ValueError``) a keyword is no configurable feature of the setting.
            MissingContextError: (a ``RuntimeError``) a feature that is needed has neither a value nor a default.
        """
        return self._evaluation.resolve(contexts)


class SettingBase(Readable[T]):
    """Attributes, evaluation and declaration of a setting, without subscriptions.

    Names that begin with an underscore are for the library. Every other name is public, so a program's subclass
    cannot meet one by accident.
    """

    name: str
    configurable_features: tuple[str, ...]
    type: SettingType[T]
    default_value: T
    alias: str | None
    version: str

    # The subscribers to the setting's changes; None until there is one.
    _subscribers: Subscribers[Any] | None = None

    def __init__(
        self,
        name: str,
        python_type: Any,
        features: tuple[str, ...],
        default_value: Any,
        metadata: Mapping[str, JSON] | None,
        alias: str | None,
        version: str,
    ) -> None:
        self.name = name
        self.configurable_features = features
        # Not among the annotations of the class: typing.get_type_hints could not read those of JSON outside its module.
        self.metadata: dict[str, JSON] = dict(metadata or {})
        self.alias = alias
        self.version = version
        check_declaration(name, features, alias, version, self.metadata)
        self.type = setting_type(python_type)
        self.default_value = check_default(name, self.type, default_value)
        # The setting's get for its whole life: the client that the setting belongs to replaces its code.
        self._get = make_get(Readable.get.__doc__)
        # The local default, without rules, until a client says something else.
        rules: RuleSet[T] = RuleSet(name, (), ())
        evaluation = Evaluation(rules, self.default_value, "local default", ClientContext(()), features)
        self._switch_to(evaluation.compile())

    def _switch_to(self, compiled: CompiledEvaluation[T]) -> None:
        """Answer from another evaluation from now on. A call of ``get`` runs with the one before, or with this one."""
        compiled.install(self._get)
        self._evaluation = compiled.evaluation

    def explain(self, /, **contexts: str) -> Explanation[T]:
        """Return what ``get`` returns in a context, and why: the rule or default that decides, and the rules that lost.

        Args and errors are those of ``get``.
        """
        return self._evaluation.explain(contexts)

    @property
    def server_default_value(self) -> T:
        """The default that the service sent, if one was accepted; else the local one."""
        return self._evaluation.default_value

    def to_v1_declaration_body(self) -> dict[str, JSON]:
        """Return the JSON with which the setting is declared.

        Source: docs/reference/compatibility.md, *Declare*.
        """
        return {
            "name": self.name,
            "configurable_features": list(self.configurable_features),
            "type": self.type.heksher_string(),
            "default_value": self.type.convert_to_heksher(self.default_value),
            "metadata": self.metadata,
            "alias": self.alias,
            "version": self.version,
        }

    def __copy__(self) -> Self:
        """Return the setting itself: a copy would be another setting of the same name, which nothing updates."""
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        """Do the same."""
        return self

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError(
            f"setting {self.name} cannot be pickled: it belongs to this process; import it in the other one, or send"
            " its name or what get() returns"
        )

    def __repr__(self) -> str:
        return f"<Setting {self.name} ({self.type.heksher_string()})>"
