"""The part of a setting that its changes depend on: its attributes, and what it answers.

A setting answers from its ``Evaluation``, which the client replaces when something has changed. Until a client did so,
that is the local default and no rules. What ``get`` runs is compiled from it, see ``resolver``.

A program, or rather its test, may set either default to something else. What the client says is
kept beside that, so that deleting what was set brings it back.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from heksher.context import ClientContext
from heksher.declaration_check import MISSING, DeclaredAttributes, parse_version, warn_of_refusal
from heksher.declared_metadata import write_metadata
from heksher.difference import is_same_value
from heksher.evaluation import CompiledEvaluation, Evaluation
from heksher.exceptions import ArgumentTypeError
from heksher.explanation import Explanation
from heksher.feature_set import FeatureSet
from heksher.process_bound import ProcessBound
from heksher.resolver import make_get
from heksher.rule_set import RuleSet
from heksher.setting_type import SettingType, setting_type
from heksher.subscription import Subscribers
from heksher.value_type import JSON
from heksher.wording import show_value

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")


class Readable(Generic[T]):
    """How a setting is read, for type checkers and documentation; at run time a setting has compiled code instead."""

    _evaluation: Evaluation[T]

    def get(self, /, **contexts: str | None) -> T:
        """Return the setting's value in a context, from memory.

        Args:
            contexts: values of configurable features. For others, the client's defaults are used. ``None`` says that
                there is no value, whatever the default. What is no text matches no rule, and is warned of.

        Returns:
            The value of the rule that wins; else the service's default; else, also before the first update and
            without a client, ``default_value``. Sequences from the service are tuples, mappings
            read-only dicts; a local default is what was given.

        Raises:
            UnknownFeatureError: (a ``ValueError``) a keyword is no configurable feature of the setting.
            MissingContextError: (a ``RuntimeError``) a feature that is needed has neither a value nor a default, and
                the client was not created with ``on_missing_context="no_match"``.
            InvalidContextError: (a ``ValueError``) a value cannot be looked up, such as a list.
        """
        return self._evaluation.resolve(contexts)


class SettingBase(Readable[T], ProcessBound, ABC):
    """Attributes, evaluation and declaration of a setting, without subscriptions.

    Names that begin with an underscore are for the library. Every other name is public, so a program's subclass
    cannot meet one by accident.
    """

    name: str
    configurable_features: FeatureSet
    type: SettingType[T]
    alias: str | None
    version: tuple[int, ...]
    version_str: str

    # The subscribers to the setting's changes; None until there is one.
    _subscribers: Subscribers[Any] | None = None
    # Whether it was said that a setting was taken for its value.
    _is_bool_logged: bool = False

    def __init__(
        self,
        name: str,
        python_type: Any,
        features: Sequence[str],
        default_value: Any,
        metadata: Mapping[str, object] | None,
        alias: str | None,
        version: str,
    ) -> None:
        if default_value is MISSING:
            raise ArgumentTypeError(f"setting {name!r}: default_value is missing")
        self.name = name
        self.configurable_features = FeatureSet(features)
        self.type = setting_type(python_type)
        # Not among the annotations of the class: typing.get_type_hints could not read those of JSON outside its module.
        self.metadata: dict[str, object] = dict(metadata or {})
        self.alias = alias
        self.version = parse_version(name, version)
        self.version_str = version
        declaration = DeclaredAttributes(name, features, self.type, default_value, self.metadata, alias, version)
        # This constructor is called by that of Setting, which the program calls.
        warn_of_refusal(declaration, stack_level=3)
        self._declared_default: T = default_value
        # The local default: that, or what the program has set since. It stands here, as does the service's default
        # while the program has set that, because mock.patch.object brings back only what it finds here.
        vars(self)["default_value"] = default_value
        # The setting's get for its whole life: the client that the setting belongs to replaces its code.
        self._get = make_get(name, features, Readable.get.__doc__)
        # The local default, without rules, until a client says something else.
        rules: RuleSet[T] = RuleSet(name, (), ())
        context, names = ClientContext(()), tuple(self.configurable_features)
        # What the client said last. What is answered differs from it where the program has set a default.
        self._received: Evaluation[T] = Evaluation(rules, default_value, "local default", context, names)
        self._switch_to(self._received.compile())

    def _switch_to(self, compiled: CompiledEvaluation[T]) -> None:
        """Answer from another evaluation from now on. A call of ``get`` runs with the one before, or with this one.

        A default that the program has set stays, as long as the service says no other one than before.
        """
        received, before = compiled.evaluation, self._received
        if "server_default_value" in vars(self) and not _has_same_default(received, before):
            del vars(self)["server_default_value"]
        self._received = received
        evaluation = self._insert_default(received)
        (compiled if evaluation is received else evaluation.compile()).install(self._get)
        self._evaluation = evaluation

    def _insert_default(self, received: Evaluation[T]) -> Evaluation[T]:
        """Return an evaluation with the default that holds at present: that of the service, or else the local one."""
        server_default = vars(self).get("server_default_value", MISSING)
        if server_default is MISSING and received.is_server_default:
            return received
        if server_default is MISSING or server_default is None:
            return received.replace_default(self.default_value, is_server_default=False)
        return received.replace_default(server_default, is_server_default=True)

    def _recompile(self) -> None:
        """Follow defaults and tracked values of the client, or defaults of the setting, that have changed."""
        self._switch_to(self._received.compile())

    @abstractmethod
    def _follow_default(self) -> None:
        """Have the setting follow a default that the program has set. The setting's client has to be asked."""

    @property
    def default_value(self) -> T:
        """The local default, as it was given: what ``get`` returns where neither a rule nor the service says another.

        It may be set to something else, mostly by a test; deleting it brings the declared one back.
        """
        value: T = vars(self)["default_value"]
        return value

    @default_value.setter
    def default_value(self, value: T) -> None:
        vars(self)["default_value"] = value
        self._follow_default()

    @default_value.deleter
    def default_value(self) -> None:
        vars(self)["default_value"] = self._declared_default
        self._follow_default()

    @property
    def server_default_value(self) -> T | None:
        """The default that the service sent, if one was accepted; ``None`` before that, or where it has none.

        It may be set, mostly by a test, until the service says another one than before; ``None`` is for: as if the
        service had none. Deleting it brings back what the service said.
        """
        received = self._received.default_value if self._received.is_server_default else None
        value: T | None = vars(self).get("server_default_value", received)
        return value

    @server_default_value.setter
    def server_default_value(self, value: T | None) -> None:
        vars(self)["server_default_value"] = value
        self._follow_default()

    @server_default_value.deleter
    def server_default_value(self) -> None:
        vars(self).pop("server_default_value", None)
        self._follow_default()

    def explain(self, /, **contexts: str | None) -> Explanation[T]:
        """Return what ``get`` returns in a context, and why: the rule or default that decides, and the rules that lost.

        Args and errors are those of ``get``.
        """
        return self._evaluation.explain(contexts)

    def to_v1_declaration_body(self) -> dict[str, JSON]:
        """Return the JSON with which the setting is declared.

        Raises:
            TypeError: the default is no value of the type, or there is something in the metadata that JSON has no
                form for. A program's own type may raise anything.

        Source: docs/reference/compatibility.md, *Declare*.
        """
        return {
            "name": self.name,
            "configurable_features": list(self.configurable_features),
            "type": self.type.heksher_string(),
            "default_value": self.type.convert_to_heksher(self.default_value),
            "metadata": write_metadata(self.metadata),
            "alias": self.alias,
            "version": self.version_str,
        }

    def __bool__(self) -> bool:
        """Return True, and log, once, that the setting was probably taken for its value."""
        if not self._is_bool_logged:
            self._is_bool_logged = True
            logger.warning(
                "setting %s is asked whether it is true, as in 'if setting:', which it always is: its value is what"
                " .get() returns",
                self.name,
                extra={"setting": self.name},
            )
        return True

    def __repr__(self) -> str:
        default = f"default {show_value(self.default_value)}"
        return f"<Setting {self.name} ({self.type.heksher_string()}), {default}, version {self.version_str}>"


def _has_same_default(one: Evaluation[Any], other: Evaluation[Any]) -> bool:
    """Return whether the service has the same default, or none, in two evaluations."""
    if not (one.is_server_default and other.is_server_default):
        return one.is_server_default == other.is_server_default
    return is_same_value(one.default_value, other.default_value)
