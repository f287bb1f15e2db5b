"""A program that is right: type checkers find nothing in it, and it runs.

``assert_type`` fails in a type checker when the type is any other than the one given, ``Any`` included.
"""

import asyncio
import contextvars
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import TypeAlias, TypeVar, assert_type

import heksher
from heksher.changes import Change, Changes
from heksher.clients.reporting.snapshot import Snapshot
from heksher.clients.stub import AsyncStubHeksherClient, Rule, SyncStubHeksherClient
from heksher.clients.util import SettingData
from heksher.explanation import Explanation
from heksher.feature_set import FeatureSet
from heksher.setting import QueriedRule, Setting
from heksher.setting_type import (
    Conversion,
    HeksherEnum,
    HeksherFlags,
    HeksherMapping,
    HeksherSequence,
    SettingType,
    setting_type,
)
from heksher.subscription import Subscription
from heksher.value_type import JSON

FEATURES = ["environment", "user"]


class Color(Enum):
    RED = "red"
    ONE = 1


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Permission(IntFlag):
    READ = 1
    WRITE = 2


# ---- what get() gives for each form of type

cache_ttl = Setting("cache_ttl", int, FEATURES, 60)
assert_type(cache_ttl, Setting[int])
assert_type(cache_ttl.get(user="guest"), int)
assert_type(cache_ttl.get(user=None), int)
assert_type(cache_ttl.get(user=Word.YES), int)
assert_type(Setting("is_on", bool, FEATURES, False).get(), bool)
assert_type(Setting("share", float, FEATURES, 0.5).get(), float)
assert_type(Setting("whole_share", float, FEATURES, 1).get(), float)
assert_type(Setting("title", str, FEATURES, "").get(), str)
assert_type(Setting("color", Color, FEATURES, Color.RED).get(), Color)
assert_type(Setting("level", Level, FEATURES, Level.LOW).get(), Level)
assert_type(Setting("word", Word, FEATURES, Word.YES).get(), Word)
assert_type(Setting("permission", Permission, FEATURES, Permission.READ | Permission.WRITE).get(), Permission)
assert_type(Setting("no_permission", Permission, FEATURES, Permission(0)).get(), Permission)

assert_type(Setting("ports", Sequence[int], FEATURES, [80]).get(), Sequence[int])
assert_type(Setting("no_ports", Sequence[int], FEATURES, ()).get(), Sequence[int])
assert_type(Setting("shares", Sequence[float], FEATURES, [1]).get(), Sequence[float])
assert_type(Setting("names", typing.Sequence[str], FEATURES, ("a", "b")).get(), Sequence[str])
assert_type(Setting("switches", Sequence[bool], FEATURES, [True]).get(), Sequence[bool])
assert_type(Setting("colors", Sequence[Color], FEATURES, [Color.RED]).get(), Sequence[Color])
assert_type(Setting("permissions", Sequence[Permission], FEATURES, [Permission.READ]).get(), Sequence[Permission])

assert_type(Setting("limits", Mapping[str, int], FEATURES, {"a": 1}).get(), Mapping[str, int])
assert_type(Setting("weights", Mapping[str, float], FEATURES, {}).get(), Mapping[str, float])
assert_type(Setting("labels", typing.Mapping[str, str], FEATURES, {"a": "b"}).get(), Mapping[str, str])
assert_type(Setting("palette", Mapping[str, Color], FEATURES, {"sky": Color.RED}).get(), Mapping[str, Color])
assert_type(Setting("acl", Mapping[str, Permission], FEATURES, {}).get(), Mapping[str, Permission])

assert_type(Setting("matrix", Sequence[Sequence[int]], FEATURES, [[1], ()]).get(), Sequence[Sequence[int]])
assert_type(
    Setting("groups", Mapping[str, Sequence[Color]], FEATURES, {"a": [Color.RED]}).get(), Mapping[str, Sequence[Color]]
)
assert_type(
    Setting("deep", Sequence[Mapping[str, Sequence[int]]], FEATURES, [{"a": [1]}]).get(),
    Sequence[Mapping[str, Sequence[int]]],
)

Ports: TypeAlias = Sequence[int]
assert_type(Setting("aliased", Ports, FEATURES, [80]).get(), Sequence[int])

assert_type(Setting("enum_object", HeksherEnum(Color), FEATURES, Color.RED).get(), Color)
assert_type(Setting("flags_object", HeksherFlags(Permission), FEATURES, Permission.READ).get(), Permission)
assert_type(Setting("sequence_object", HeksherSequence(int), FEATURES, [1]).get(), Sequence[int])
assert_type(Setting("mapping_object", HeksherMapping(HeksherEnum(Color)), FEATURES, {}).get(), Mapping[str, Color])
assert_type(
    Setting("nested_object", HeksherSequence(HeksherMapping(HeksherFlags(Permission))), FEATURES, []).get(),
    Sequence[Mapping[str, Permission]],
)

# ---- all arguments, and the features in both spellings

assert_type(Setting("plural", int, configurable_features=FEATURES, default_value=1).get(), int)
assert_type(Setting(name="singular", type=int, configurable_feature=["environment"], default_value=60).get(), int)
assert_type(Setting(name="theme", type=Color, configurable_feature="ab", default_value=Color.RED).get(), Color)
assert_type(
    Setting("singular_sequence", type=Sequence[str], configurable_feature=["theme"], default_value=["a"]).get(),
    Sequence[str],
)
assert_type(
    Setting("singular_object", HeksherEnum(Color), configurable_feature="a", default_value=Color.RED), Setting[Color]
)
Setting("positional", int, FEATURES, 1, {"owner": "me"}, "old_positional", "2.0", None)
Setting("all", int, FEATURES, 1, metadata={"owner": "me"}, alias="old_all", version="1.1", on_coerce=None)
Setting("all_singular", int, configurable_feature=FEATURES, default_value=1, metadata={}, alias="b", version="1.0")


def reject_coerced(
    coerced: Sequence[int],
    raw: JSON,
    coercions: Sequence[str],
    rule: QueriedRule | None,
    setting: Setting[Sequence[int]],
) -> Sequence[int]:
    if rule is None:
        raise TypeError(f"{setting.name} cannot be {raw}: {', '.join(coercions)}")
    assert_type(rule.rule_id, int)
    return coerced


Setting("strict", Sequence[int], FEATURES, [], on_coerce=reject_coerced)
Setting("strict_singular", Sequence[int], configurable_feature=FEATURES, default_value=[], on_coerce=reject_coerced)
Setting("lenient", Permission, FEATURES, Permission.READ, on_coerce=lambda coerced, *others: coerced)

# ---- settings in a program's own functions


def make_enum_setting(name: str, enum_class: type[Color]) -> Setting[Color]:
    return Setting(name, enum_class, FEATURES, Color.RED)


ValueT = TypeVar("ValueT")


def make_setting(name: str, its_type: SettingType[ValueT], default_value: ValueT) -> Setting[ValueT]:
    return Setting(name, its_type, FEATURES, default_value)


assert_type(make_setting("made", setting_type(Sequence[int]), [1]).get(), Sequence[int])
declared: Setting[Mapping[str, Sequence[float]]] = Setting("declared", Mapping[str, Sequence[float]], FEATURES, {})

# ---- the other members of a setting


@cache_ttl.add_validator
def limit_ttl(value: int, rule: QueriedRule | None, setting: Setting[int]) -> int:
    if value < 0:
        raise TypeError(f"{setting.name} is negative")
    return value


assert_type(limit_ttl(5, None, cache_ttl), int)
cache_ttl.add_validator(lambda value, rule, setting: value + setting.default_value)

assert_type(cache_ttl.name, str)
assert_type(cache_ttl.type, SettingType[int])
assert_type(cache_ttl.configurable_features, FeatureSet)
assert_type(cache_ttl.configurable_features[0], str)
assert_type(cache_ttl.default_value, int)
assert_type(cache_ttl.server_default_value, int | None)
cache_ttl.default_value = 5
cache_ttl.server_default_value = None
assert_type(cache_ttl.alias, str | None)
assert_type(cache_ttl.version, tuple[int, ...])
assert_type(cache_ttl.version_str, str)
Setting("dated", int, FEATURES, 5, metadata={"since": date(2020, 1, 2)})
assert_type(cache_ttl.explain(user="guest"), Explanation[int])
assert_type(cache_ttl.explain(user="guest").value, int)
assert_type(cache_ttl.to_v1_declaration_body(), dict[str, JSON])

# ---- setting types

assert_type(setting_type(int), SettingType[int])
assert_type(setting_type(Color), SettingType[Color])
assert_type(setting_type(Permission), SettingType[Permission])
assert_type(setting_type(Mapping[str, Sequence[Color]]), SettingType[Mapping[str, Sequence[Color]]])
assert_type(setting_type(HeksherEnum(Color)), SettingType[Color])
assert_type(HeksherSequence(int), HeksherSequence[int])
assert_type(HeksherSequence(Color), HeksherSequence[Color])
assert_type(HeksherSequence(Sequence[int]), HeksherSequence[Sequence[int]])
assert_type(HeksherMapping(str).convert_from_heksher({}), Conversion[Mapping[str, str]])
assert_type(HeksherEnum(Color).convert_from_heksher("red").value, Color)
assert_type(HeksherFlags(Permission).convert_from_heksher([]).value, Permission)
assert_type(HeksherFlags(Permission).heksher_string(), str)


class Money(SettingType[tuple[int, str]]):
    def heksher_string(self) -> str:
        return "Sequence<str>"

    def convert_from_heksher(self, x: object) -> Conversion[tuple[int, str]]:
        if not isinstance(x, list):
            raise TypeError("not an array")
        return Conversion((int(x[0]), str(x[1])), ())

    def convert_to_heksher(self, x: tuple[int, str]) -> JSON:
        return [str(x[0]), x[1]]


assert_type(Setting("price", Money(), FEATURES, (5, "EUR")).get(), tuple[int, str])

# ---- the clients, which need a service to run

theme = contextvars.ContextVar[str]("theme")
user = contextvars.ContextVar[str | None]("user", default=None)
read_ttl: Callable[[], int] = cache_ttl.get


def note_ttl(change: Change[int]) -> None:
    assert_type(change.setting, heksher.Setting[int])
    assert_type(change.before(user="guest"), int)


def tell_ttl(change: heksher.Change[int]) -> None:
    assert_type(change.setting.explain(), heksher.Explanation[int])
    assert_type(change.contexts, Mapping[str, str] | None)
    assert_type(change.as_dict(), dict[str, JSON])


async def note_ttl_later(change: Change[int]) -> None:
    assert_type(change.after(), int)


async def follow_changes() -> None:
    with cache_ttl.on_change(note_ttl) as subscription:
        assert_type(subscription, Subscription)
        assert_type(subscription.is_active, bool)
    cache_ttl.on_change(note_ttl_later, {"user": "guest"}, weak=True).cancel()
    cache_ttl.on_change(lambda change: assert_type(change, Change[int]))
    cache_ttl.on_change(tell_ttl)
    changes = cache_ttl.changes({"user": "guest"})
    assert_type(changes, Changes[int])
    async for change in changes:
        assert_type(change, Change[int])
    await changes.aclose()


class App(heksher.AsyncHeksherClient):
    def on_update_error(self, exc: Exception) -> None:
        raise exc

    def on_update_ok(self) -> None:
        assert_type(self.snapshot(), Snapshot)


async def use_async_client() -> None:
    client = heksher.AsyncHeksherClient(
        "http://heksher", 300, ["environment", "user"], http_client_args={"headers": {"api_token": "secret"}}
    )
    client.set_defaults(environment="dev", theme=theme, user=user)
    client.track_contexts(environment="dev", user=heksher.TRACK_ALL, theme=["bright", "dark"])
    await client.set_as_main()
    async with client as entered:
        assert_type(entered, heksher.AsyncHeksherClient)
    async with App("http://heksher", 300, ["environment"]) as app:
        assert_type(app, App)
    await client.reload()
    await client.ping()
    assert_type(await client.get_settings(), dict[str, SettingData])
    assert_type(client.modification_lock, asyncio.Lock)
    async with client.modification_lock:
        assert_type(client.context_namespace({"user": "guest"}), dict[str, str])
    assert_type(client.snapshot().get(cache_ttl, user="guest"), int)
    assert_type(client.snapshot().explain(cache_ttl), Explanation[int])
    await client.aclose()
    await client.close()


async def find_token() -> str:
    return "token"


def give_tokens() -> None:
    """Give each client each form of token that it takes."""
    heksher.AsyncHeksherClient("http://heksher", 300, ["user"], token=FEATURES[0], client_name="checkout/2.3")
    heksher.AsyncHeksherClient("http://heksher", 300, ["user"], token=lambda: "token", client_name=None)
    heksher.AsyncHeksherClient("http://heksher", 300, ["user"], token=find_token)
    heksher.ThreadHeksherClient("http://heksher", 300, ["user"], token=FEATURES[0], client_name="checkout/2.3")
    heksher.ThreadHeksherClient("http://heksher", 300, ["user"], token=lambda: "token")
    heksher.ThreadHeksherClient("http://heksher", 300, ["user"], token=None)


def use_thread_client() -> None:
    client = heksher.ThreadHeksherClient(
        "http://heksher", 300, ["environment"], http_client_args={"timeout": 10}, on_missing_context="no_match"
    )
    client.set_defaults(environment="dev", theme=theme, user=user)
    client.track_contexts(environment=["dev"], user=heksher.TRACK_ALL)
    client.set_as_main()
    with client as entered:
        assert_type(entered, heksher.ThreadHeksherClient)
    client.reload()
    client.ping()
    assert_type(client.get_settings(), dict[str, SettingData])
    with client.modification_lock:
        assert_type(client.context_namespace({"user": "guest"}), dict[str, str])
    assert_type(client.snapshot().get(cache_ttl), int)
    assert_type(client.settings, Mapping[str, Setting[typing.Any]])
    status: heksher.ClientStatus = client.status
    assert_type(status.settings, Mapping[str, heksher.SettingStatus])
    assert_type(status.as_dict(), dict[str, JSON])
    assert_type(status.last_success, datetime | None)
    assert_type(status.token_expires_at, datetime | None)
    assert_type(status.missing_contexts, Mapping[str, Mapping[str, int]])
    client.close()


def make_status() -> heksher.SettingStatus:
    """Make what a fake of a program's own may need."""
    return heksher.SettingStatus(is_declared=True, is_missing=False, rejected=(), is_stale=False)


def explain(explanation: heksher.Explanation[str]) -> heksher.Rule[str] | None:
    assert_type(explanation.value, str)
    assert_type(explanation.losing_rules, tuple[heksher.Rule[str], ...])
    assert_type(explanation.as_dict(), dict[str, JSON])
    return explanation.rule


def catch() -> None:
    try:
        cache_ttl.get()
    except (heksher.UnknownFeatureError, heksher.MissingContextError) as error:
        assert_type(error, heksher.UnknownFeatureError | heksher.MissingContextError)
    except heksher.StatusError as error:
        assert_type(error.retry_after_s, float | None)


async def use_stub_clients() -> None:
    with SyncStubHeksherClient() as stub:
        assert_type(stub, SyncStubHeksherClient)
        stub[cache_ttl].rules = 10
        stub[cache_ttl].rules = [Rule({"user": "guest", "environment": None}, 20)]
        stub.reload.assert_not_called()
    async with AsyncStubHeksherClient() as async_stub:
        assert_type(async_stub, AsyncStubHeksherClient)
        await async_stub.reload()
        async_stub.ping.assert_not_awaited()
