"""A setting of the application: declared once, read everywhere.

What it answers, and how, is in ``setting_base``; what subscribers are told of its changes is in ``change_base``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar, overload

from heksher import main_client
from heksher.argument_check import check_setting_arguments
from heksher.change_base import BaseChange, ChangeIterator, subscribe
from heksher.declaration_check import MISSING, Missing, choose_features
from heksher.rule_set import Conditions
from heksher.setting_base import Readable, SettingBase
from heksher.setting_type import SettingType
from heksher.subscription import Subscription
from heksher.value_type import JSON

T = TypeVar("T")

if TYPE_CHECKING:
    # For type checkers alone: importing the library does not take the time for them.
    from typing import Required, TypedDict, Unpack

    from heksher.type_argument import (
        BoolClass,
        ElementT,
        EnumClass,
        EnumT,
        FloatClass,
        IntClass,
        MappingClass,
        SequenceClass,
        StrClass,
    )

    class _Keywords(TypedDict, Generic[T], total=False):
        # The arguments when the features are given as configurable_feature=, as the published example does.
        configurable_feature: Required[Sequence[str]]
        default_value: Required[T]
        metadata: Mapping[str, object] | None
        alias: str | None
        version: str
        on_coerce: "OnCoerce[T] | None"


@dataclass(slots=True)
class QueriedRule:
    """The rule that a value arrived with, as validators and ``on_coerce`` see it.

    Attributes:
        rule_id: the service's number of the rule.
        context_features: pairs of context feature and value, all of which must hold.
    """

    rule_id: int
    context_features: Conditions


Validator: TypeAlias = Callable[[T, QueriedRule | None, "Setting[T]"], T]
OnCoerce: TypeAlias = Callable[[T, JSON, Sequence[str], QueriedRule | None, "Setting[T]"], T]


def keep_coerced(coerced: T, _raw: JSON, _coercions: Sequence[str], _rule: QueriedRule | None, _setting: object) -> T:
    """Accept what is left of a value that lost something in conversion: the default of ``on_coerce``."""
    return coerced


class Change(BaseChange["Setting[T]", T]):
    """What a setting answered before an update, and what it answers after it. Immutable."""

    __slots__ = ()


class Changes(ChangeIterator[Change[T]]):
    """The changes of a setting, for ``async for`` on asyncio; see ``Setting.changes``.

    Ends with ``aclose()``, when a task that waits for the next change is cancelled, or when it is dropped. Changes may
    be made by any thread; they are to be taken by one task at a time.
    """


class Setting(SettingBase[T]):
    """A typed setting whose value depends on context.

    Creating a setting registers it, weakly, with the process's main client, which declares it to the service now or,
    when there is no main client yet, as soon as a client becomes that. Any thread may read it at any time; a read takes
    no lock and does no I/O.

    Args:
        name: unique on the service, of ``[A-Za-z0-9_.]``.
        type: ``int``, ``float``, ``str``, ``bool``, an ``Enum`` or ``IntFlag`` class, ``Sequence[T]``,
            ``Mapping[str, T]`` or a ``SettingType``.
        configurable_features: the context features that rules may match on; at least one. ``configurable_feature`` is
            accepted as another spelling.
        default_value: the value where no rule matches and the service has said no other default. It is handed back as
            it was given.
        metadata: free JSON, kept by the service; ``None`` means none. Dates, times, UUIDs, enum members and dataclasses
            are written as JSON.
        alias: the setting's name so far, when this declaration renames it.
        version: ``MAJOR.MINOR``; to be raised with each change of the declaration.
        on_coerce: ``f(coerced, raw, coercions, rule, setting) -> value``, called when the conversion of a value from
            the service lost something; a ``TypeError`` from it rejects the value; ``None`` rejects every such value.

    Warns:
        DeclarationWarning: no service will accept the declaration: ``default_value`` is no value of the type, a name
            has characters that names cannot have, and the like.

    Raises:
        InvalidDeclarationError: (a ``ValueError``) ``version`` has something else than numbers, or more than two.
        UnsupportedTypeError: (a ``TypeError``, and a ``RuntimeError``) ``type`` stands for no setting type.
        ArgumentTypeError: (a ``TypeError``) an argument is of a wrong type, missing, or given twice.

    Source: docs/reference/compatibility.md, *Setting*.
    """

    # Python 3.12 and 3.13 take a quarter of an empty call longer to find what an instance has in a method's place. Here
    # and not in the base: a slot of the object's own class is read without a look at its bases.
    __slots__ = {"get": Readable.get.__doc__}

    on_coerce: OnCoerce[T] | None

    # Each form of type twice, with the features in the plural and in the singular. See type_argument.py.
    @overload
    def __init__(
        self: "Setting[bool]",
        name: str,
        type: "BoolClass",
        configurable_features: Sequence[str],
        default_value: bool,
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: OnCoerce[bool] | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[bool]", name: str, type: "BoolClass", **keywords: "Unpack[_Keywords[bool]]"
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[int]",
        name: str,
        type: "IntClass",
        configurable_features: Sequence[str],
        default_value: int,
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: OnCoerce[int] | None = ...,
    ) -> None: ...
    @overload
    def __init__(self: "Setting[int]", name: str, type: "IntClass", **keywords: "Unpack[_Keywords[int]]") -> None: ...
    @overload
    def __init__(
        self: "Setting[float]",
        name: str,
        type: "FloatClass",
        configurable_features: Sequence[str],
        default_value: float,
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: OnCoerce[float] | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[float]", name: str, type: "FloatClass", **keywords: "Unpack[_Keywords[float]]"
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[str]",
        name: str,
        type: "StrClass",
        configurable_features: Sequence[str],
        default_value: str,
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: OnCoerce[str] | None = ...,
    ) -> None: ...
    @overload
    def __init__(self: "Setting[str]", name: str, type: "StrClass", **keywords: "Unpack[_Keywords[str]]") -> None: ...
    @overload
    def __init__(
        self: "Setting[EnumT]",
        name: str,
        type: "EnumClass[EnumT]",
        configurable_features: Sequence[str],
        default_value: "EnumT",
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: "OnCoerce[EnumT] | None" = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[EnumT]", name: str, type: "EnumClass[EnumT]", **keywords: "Unpack[_Keywords[EnumT]]"
    ) -> None: ...
    @overload
    def __init__(
        self,
        name: str,
        type: SettingType[T],
        configurable_features: Sequence[str],
        default_value: T,
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: OnCoerce[T] | None = ...,
    ) -> None: ...
    @overload
    def __init__(self, name: str, type: SettingType[T], **keywords: "Unpack[_Keywords[T]]") -> None: ...
    @overload
    def __init__(
        self: "Setting[Sequence[ElementT]]",
        name: str,
        type: "SequenceClass[ElementT]",
        configurable_features: Sequence[str],
        default_value: "Sequence[ElementT]",
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: "OnCoerce[Sequence[ElementT]] | None" = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[Sequence[ElementT]]",
        name: str,
        type: "SequenceClass[ElementT]",
        **keywords: "Unpack[_Keywords[Sequence[ElementT]]]",
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[Mapping[str, ElementT]]",
        name: str,
        type: "MappingClass[ElementT]",
        configurable_features: Sequence[str],
        default_value: "Mapping[str, ElementT]",
        metadata: Mapping[str, object] | None = ...,
        alias: str | None = ...,
        version: str = ...,
        on_coerce: "OnCoerce[Mapping[str, ElementT]] | None" = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "Setting[Mapping[str, ElementT]]",
        name: str,
        type: "MappingClass[ElementT]",
        **keywords: "Unpack[_Keywords[Mapping[str, ElementT]]]",
    ) -> None: ...
    def __init__(
        self: "Setting[Any]",
        name: str,
        type: Any,  # noqa: A002 - the published name
        configurable_features: Sequence[str] | Missing = MISSING,
        default_value: Any = MISSING,
        metadata: Mapping[str, object] | None = None,
        alias: str | None = None,
        version: str = "1.0",
        on_coerce: OnCoerce[Any] | None = keep_coerced,
        *,
        configurable_feature: Sequence[str] | Missing = MISSING,
    ) -> None:
        features = choose_features(name, configurable_features, configurable_feature)
        check_setting_arguments(name, features, metadata, alias, version)
        super().__init__(name, type, features, default_value, metadata, alias, version)
        # Also where a subclass overrides get: it is what super().get finds.
        _GET_SLOT.__set__(self, self._get)
        self.on_coerce = on_coerce
        self._validators: list[Validator[Any]] = []
        main_client.register(self)

    def _follow_default(self) -> None:
        main_client.follow_default(self)

    def add_validator(self, validator: Validator[T]) -> Validator[T]:
        """Have a function check, or change, every value that arrives from the service.

        Args:
            validator: ``f(value, rule, setting) -> value``, where ``rule`` is ``None`` for the service's default. A
                ``TypeError`` from it rejects the value. Validators run in the order in which they were added; never on
                local defaults, nor on the values of stub clients. The asynchronous client runs them in a worker thread
                when the service's answer is large.

        Returns:
            The function itself, so that this is a decorator.
        """
        self._validators.append(validator)
        return validator

    @property
    def validators(self) -> tuple[Validator[T], ...]:
        """The validators, in the order in which they run."""
        return tuple(self._validators)

    def on_change(
        self,
        callback: Callable[[Change[T]], object],
        contexts: Mapping[str, str] | None = None,
        *,
        weak: bool = False,
    ) -> Subscription:
        """Have a function called after the setting's answers have changed. Thread-safe.

        Calls come in the order of the changes, by the thread that updates or on the event loop, with no lock held. What
        the function raises is logged. See ``Subscription`` for how this ends.

        Args:
            callback: ``f(change)``; a coroutine function under an asynchronous client.
            contexts: call it only when the value in this context, completed with the client's defaults, has changed
                from one to another; ``None`` when the value has changed in any context.
            weak: whether to hold the function, or the object whose method it is, weakly. A ``lambda`` is collected at
                once then.

        Raises:
            UnknownFeatureError: (a ``ValueError``) the setting is not configurable by a feature of ``contexts``.
            TypeError: the callback cannot be called.
        """
        return subscribe(self, callback, contexts, weak=weak)

    def changes(self, contexts: Mapping[str, str] | None = None) -> Changes[T]:
        """Return the changes from now on, for ``async for`` on asyncio, with either client. Errors: see ``on_change``.

        A slow consumer gets one change for several: from the value before the oldest to the value after the newest of
        those not taken yet; none if these two values are the same.
        """
        return Changes(self, contexts)


_GET_SLOT: Final[MemberDescriptorType] = vars(Setting)["get"]
