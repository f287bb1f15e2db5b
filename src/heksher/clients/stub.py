"""Clients without a service, for the tests of programs that read settings.

::

    with SyncStubHeksherClient() as client:
        client[cache_ttl].rules = 10
        client[background_color].rules = [Rule({"theme": "dark"}, "black"), Rule({"theme": "blue"}, "navy")]
        assert cache_ttl.get(user="anyone") == 10

Every setting answers its local default until its ``rules`` are set. Values are taken as they are: no conversion, no
validators. Without a service, the order of context features is the one in which a setting lists them.

Source: docs/reference/compatibility.md, *Stub clients*.
"""

import asyncio
import warnings
import weakref
from collections.abc import Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeAlias
from unittest.mock import AsyncMock, MagicMock

from heksher import main_client
from heksher import rule_set as core
from heksher.clients.reporting.dispatch import Dispatcher
from heksher.clients.reporting.observed import Observed
from heksher.clients.reporting.snapshot import Snapshot
from heksher.clients.reporting.status import ClientHealth, ClientStatus, SettingStatus, count_by_setting, count_settings
from heksher.context import ClientContext, ContextDefault, OnMissingContext, TrackedValues
from heksher.evaluation import Evaluation
from heksher.setting import Setting
from heksher.subscription import Spawn
from heksher.wording import show_value


@dataclass
class Rule:
    """A value for the contexts that fulfil all conditions. Compared by its fields.

    Attributes:
        match_conditions: by context feature; ``None`` for a feature is a wildcard, as is leaving it out.
    """

    match_conditions: Mapping[str, str | None]
    value: Any


class _NoRules(tuple[()]):
    """What ``rules`` reads as before it is set; setting it again brings the local default back."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<no rules>"


_NO_RULES: Final = _NoRules()

# A value for all contexts, or rules.
StubAnswers: TypeAlias = Any | Collection[Rule]


class StubSetting:
    """What one setting answers under a stub client.

    Attributes:
        rules: a value for all contexts, or a collection of ``Rule``; its first element decides which. Reading it
            returns what was set last, and setting that again restores it, so ``monkeypatch.setattr`` and
            ``mock.patch.object`` work.
    """

    rules: StubAnswers

    def __init__(self, client: "_BaseStub", setting: Setting[Any]) -> None:
        # Bypasses __setattr__, which is for those who set rules. These are kept in __dict__ under their own name,
        # because mock.patch.object restores only an attribute that it finds there.
        self.__dict__.update(_client=client, _setting=weakref.ref(setting), rules=_NO_RULES)

    def __setattr__(self, name: str, value: StubAnswers) -> None:
        if name != "rules":
            raise AttributeError(f"a stub setting has only the attribute rules, not {name!r}")
        self.__dict__["rules"] = value
        setting = self.__dict__["_setting"]()
        if setting is not None:
            self.__dict__["_client"]._answer_rules(setting)

    def __repr__(self) -> str:
        setting = self.__dict__["_setting"]()
        return f"<StubSetting {'(gone)' if setting is None else setting.name}: {show_value(self.rules)}>"


class Patch:
    """What ``patch`` has done, and undoes at the end of a ``with`` block."""

    def __init__(self, stub: StubSetting, answers: StubAnswers) -> None:
        self._stub = stub
        self._before = stub.rules
        stub.rules = answers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stub.rules = self._before


class _BaseStub(Observed):
    """What both stub clients share.

    It takes any arguments, so a stub can be created like what it stands in for, and ignores them but for
    ``on_missing_context``.
    """

    _is_stub = True

    def __init__(self, *_args: object, on_missing_context: OnMissingContext = "raise", **_kwargs: object) -> None:
        super().__init__(Dispatcher(self._spawn))
        self._context: ClientContext = ClientContext((), takes_any=True, on_missing=on_missing_context)
        # What the settings answered before, to be restored at the end. Held weakly, as by every client.
        self._before: weakref.WeakKeyDictionary[Setting[Any], Evaluation[Any]] = weakref.WeakKeyDictionary()
        self._stubs: weakref.WeakKeyDictionary[Setting[Any], StubSetting] = weakref.WeakKeyDictionary()
        self._previous: main_client.MainClient | None = None
        self._has_ended = False
        self._was_main = False

    # Runs the program's functions that are coroutines; None where nothing can.
    _spawn: "Spawn | None" = None

    def __getitem__(self, setting: Setting[Any]) -> StubSetting:
        """Return what sets the answers of a setting."""
        stub = self._stubs.get(setting)
        if stub is None:
            stub = self._stubs[setting] = StubSetting(self, setting)
        return stub

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {count_settings(self._before)}>"

    def patch(self, setting: Setting[Any], value_or_rules: StubAnswers) -> "Patch":
        """Set a setting's answers at once; deprecated: patch ``client[setting].rules``.

        Returns:
            What brings back, at the end of a ``with`` block, what the setting answered before this call.
        """
        warnings.warn(
            "patch() is deprecated, use monkeypatch.setattr(client[setting], 'rules', ...)",
            DeprecationWarning,
            stacklevel=2,
        )
        return Patch(self[setting], value_or_rules)

    def set_defaults(self, /, **defaults: ContextDefault) -> None:
        """Set values of context features that ``get`` uses where the call names none."""
        self._context.set_defaults(defaults)
        self._answer_anew(self._before)

    def track_contexts(self, /, **_tracked: TrackedValues) -> None:
        """Do nothing: a stub has all its rules, as there is no service to fetch them from."""

    def context_namespace(self, contexts: Mapping[str, str]) -> dict[str, str]:
        """Return the contexts completed with the defaults, as ``get`` does; what is ``None`` in them is left out."""
        return self._context.complete(contexts)

    @property
    def settings(self) -> Mapping[str, Setting[Any]]:
        """The settings that answer from this client, by name: those that the program still holds."""
        return MappingProxyType({setting.name: setting for setting in list(self._before)})

    def snapshot(self) -> Snapshot:
        """Return a consistent view of all settings."""
        return Snapshot({setting: setting._evaluation for setting in list(self._before)})

    @property
    def status(self) -> ClientStatus:
        """A status that is always current, with all settings declared."""
        known = SettingStatus(is_declared=True, is_missing=False, rejected=(), is_stale=False)
        health = ClientHealth()
        health.confirm(None)
        health.succeed()
        return health.make_status(
            {setting.name: known for setting in list(self._before)},
            missing_contexts=count_by_setting(self._context.missing_reads),
        )

    def _answer_anew(self, settings: Iterable[Setting[Any]]) -> None:
        """Have those of the settings that are this client's at present answer their stub rules, and tell of it."""
        for setting in list(settings):
            if setting in self._before:
                self._answer(setting)
        self._dispatcher.drain()

    def _answer_rules(self, setting: Setting[Any]) -> None:
        """Have a setting answer the rules that were set for it."""
        if not self._was_main:
            # Tests may use a stub that never becomes main. It has the settings that they tell it of.
            self._before.setdefault(setting, setting._received)
        self._answer_anew([setting])

    def _answer(self, setting: Setting[Any]) -> None:
        evaluation = _evaluate(setting, self[setting].rules, self._context)
        self._dispatcher.switch(setting, evaluation.compile())

    def _adopt(self, settings: list[Setting[Any]]) -> None:
        """Have settings answer their stub rules, or else their local defaults. Called by ``main_client``."""
        for setting in settings:
            self._before.setdefault(setting, setting._received)
            self._answer(setting)

    def _release(self) -> None:
        """Have settings answer again what they answered before. Called by ``main_client``."""
        for setting, evaluation in list(self._before.items()):
            self._dispatcher.switch(setting, evaluation.compile())
        self._before.clear()

    def _follow_default(self, setting: Setting[Any]) -> None:
        """Have a setting follow a default that the program has set. Called by ``main_client``."""
        self._dispatcher.switch(setting, setting._received.compile())
        self._dispatcher.drain()

    def _has_undeclared_settings(self) -> bool:
        """Return False: there is no service to declare settings to."""
        return False

    def _is_over(self) -> bool:
        """Return whether the client's ``with`` block has ended."""
        return self._has_ended

    def _enter(self) -> None:
        # When it is entered again (by a program that starts the stub that it was given), the client before stays.
        self._previous = main_client.make_main(self) or self._previous
        self._has_ended = False
        self._was_main = True
        self._dispatcher.drain()

    def _exit(self) -> None:
        self._has_ended = True
        main_client.restore_main(self, self._previous)
        self._previous = None
        self._dispatcher.drain()


class SyncStubHeksherClient(_BaseStub):
    """Stands in for a ``ThreadHeksherClient`` while its ``with`` block runs.

    ``reload``, ``close`` and ``ping`` are mocks.
    """

    def __init__(self, *args: object, on_missing_context: OnMissingContext = "raise", **kwargs: object) -> None:
        super().__init__(*args, on_missing_context=on_missing_context, **kwargs)
        self.reload: MagicMock = MagicMock()
        self.close: MagicMock = MagicMock()
        self.ping: MagicMock = MagicMock()

    def set_as_main(self) -> None:
        """Become the main client, as at the begin of a ``with`` block."""
        self._enter()

    def __enter__(self) -> Self:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit()


class AsyncStubHeksherClient(_BaseStub):
    """Stands in for an ``AsyncHeksherClient`` while its ``async with`` block runs.

    ``reload``, ``aclose``, ``close`` and ``ping`` are mocks.
    """

    def __init__(self, *args: object, on_missing_context: OnMissingContext = "raise", **kwargs: object) -> None:
        # The loop holds its tasks weakly.
        self._callbacks: set[asyncio.Task[None]] = set()
        super().__init__(*args, on_missing_context=on_missing_context, **kwargs)
        self.reload: AsyncMock = AsyncMock()
        self.aclose: AsyncMock = AsyncMock()
        self.close: AsyncMock = AsyncMock()
        self.ping: AsyncMock = AsyncMock()

    def _spawn(self, callback: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(callback)
        self._callbacks.add(task)
        task.add_done_callback(self._callbacks.discard)

    async def set_as_main(self) -> None:
        """Become the main client, as at the begin of an ``async with`` block."""
        self._enter()

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exit()


def _evaluate(setting: Setting[Any], answers: StubAnswers, context: ClientContext) -> Evaluation[Any]:
    if _are_rules(answers):
        rules = [core.Rule(number, _read_conditions(rule), rule.value) for number, rule in enumerate(answers)]
    else:
        rules = [core.Rule(0, (), answers)]
    features = tuple(setting.configurable_features)
    rule_set = core.RuleSet(setting.name, rules, features)
    return Evaluation(rule_set, setting.default_value, "local default", context, features)


def _are_rules(answers: StubAnswers) -> bool:
    # The first one decides. An empty collection is a value.
    return answers is _NO_RULES or (isinstance(answers, Collection) and isinstance(next(iter(answers), None), Rule))


def _read_conditions(rule: Rule) -> core.Conditions:
    return tuple((feature, value) for feature, value in rule.match_conditions.items() if value is not None)
