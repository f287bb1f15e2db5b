"""Programs that are wrong: type checkers report each line that ends with ``# error``, and no other.

What they cannot see is left out here: a member of another enum class as a default (see ``heksher.type_argument``).
"""

import typing
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum, IntFlag, StrEnum

import heksher
from heksher.changes import Change
from heksher.setting import QueriedRule, Setting
from heksher.setting_type import HeksherEnum, HeksherFlags, HeksherSequence, setting_type


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Permission(IntFlag):
    READ = 1


# ---- a default of another type

Setting("a", int, ["f"], "1")  # error
Setting("a", int, ["f"], None)  # error
Setting("a", int, ["f"], 1.5)  # error
Setting("a", int, ["f"], [1])  # error
Setting("a", bool, ["f"], 1)  # error
Setting("a", bool, ["f"], "true")  # error
Setting("a", float, ["f"], "1.5")  # error
Setting("a", str, ["f"], 1)  # error
Setting("a", str, ["f"], ["a"])  # error
Setting("a", Color, ["f"], "red")  # error
Setting("a", Color, ["f"], None)  # error
Setting("a", Color, ["f"], [Color.RED])  # error
Setting("a", Level, ["f"], 1)  # error
Setting("a", Word, ["f"], "yes")  # error
Setting("a", Permission, ["f"], 1)  # error
Setting("a", Permission, ["f"], "READ")  # error
Setting("a", Sequence[int], ["f"], 1)  # error
Setting("a", Sequence[int], ["f"], ["1"])  # error
Setting("a", Sequence[int], ["f"], [1.5])  # error
Setting("a", Sequence[int], ["f"], [None])  # error
Setting("a", Sequence[int], ["f"], None)  # error
Setting("a", Sequence[bool], ["f"], [1])  # error
Setting("a", Sequence[str], ["f"], {"a"})  # error
Setting("a", Sequence[str], ["f"], {"a": "b"})  # error
Setting("a", Sequence[Color], ["f"], Color.RED)  # error
Setting("a", Sequence[Color], ["f"], ["red"])  # error
Setting("a", Sequence[Permission], ["f"], [1])  # error
Setting("a", Mapping[str, int], ["f"], {"a": "1"})  # error
Setting("a", Mapping[str, int], ["f"], {"a": 1.5})  # error
Setting("a", Mapping[str, int], ["f"], {1: 1})  # error
Setting("a", Mapping[str, int], ["f"], [1])  # error
Setting("a", Mapping[str, str], ["f"], ["a"])  # error
Setting("a", Mapping[str, Color], ["f"], {"a": "red"})  # error
Setting("a", Sequence[Sequence[int]], ["f"], [1])  # error
Setting("a", Sequence[Sequence[int]], ["f"], [["1"]])  # error
Setting("a", Mapping[str, Sequence[int]], ["f"], {"a": ["1"]})  # error
Setting("a", Mapping[str, Sequence[int]], ["f"], {"a": "1"})  # error
Setting("a", Mapping[str, Sequence[Color]], ["f"], {"a": ["red"]})  # error
Setting("a", Sequence[Mapping[str, Sequence[int]]], ["f"], [{"a": ["1"]}])  # error
Setting("a", HeksherEnum(Color), ["f"], "red")  # error
Setting("a", HeksherEnum(Color), ["f"], Level.LOW)  # error
Setting("a", HeksherFlags(Permission), ["f"], 1)  # error
Setting("a", HeksherSequence(int), ["f"], ["1"])  # error
Setting("a", HeksherSequence(Color), ["f"], ["red"])  # error

Setting("a", int, configurable_feature=["f"], default_value="1")  # error
Setting("a", Color, configurable_feature=["f"], default_value="red")  # error
Setting("a", Sequence[int], configurable_features=["f"], default_value=["1"])  # error
Setting("a", Sequence[int], configurable_feature=["f"], default_value=["1"])  # error
Setting("a", HeksherSequence(int), configurable_feature=["f"], default_value=["1"])  # error

# ---- a type that no setting has

Setting("a", bytes, ["f"], b"")  # error
Setting("a", object, ["f"], 1)  # error
Setting("a", list[int], ["f"], [1])  # error
Setting("a", tuple[int, ...], ["f"], (1,))  # error
Setting("a", dict[str, int], ["f"], {})  # error
Setting("a", typing.Collection[int], ["f"], [1])  # error
Setting("a", Mapping[int, int], ["f"], {})  # error
Setting("a", Sequence[int | None], ["f"], [])  # error
Setting("a", int | None, ["f"], 1)  # error
Setting("a", "int", ["f"], 1)  # error
Setting("a", HeksherSequence, ["f"], [1])  # error
HeksherEnum(int)  # error
HeksherFlags(Color)  # error
HeksherSequence(1)  # error
setting_type(1)  # error

# ---- arguments that are missing, given twice or unknown

Setting("a", int, ["f"])  # error
Setting("a", int, default_value=1)  # error
Setting("a", int, configurable_feature=["f"])  # error
Setting("a", int, ["f"], 1, configurable_feature=["f"])  # error
Setting("a", int, ["f"], 1, description="no such argument")  # error
Setting("a", int, [1], 1)  # error
Setting("a", int, ["f"], 1, metadata=["not", "a", "mapping"])  # error
Setting("a", int, ["f"], 1, version=1.0)  # error

# ---- values used as what they are not

ttl = Setting("ttl", int, ["user"], 60)
names = Setting("names", Sequence[str], ["user"], [])
text: str = ttl.get()  # error
wrong_setting: Setting[str] = Setting("a", int, ["f"], 1)  # error
ttl.get(user=1)  # error
ttl.get("guest")  # error
names.get().append("x")  # error
Setting("a", Mapping[str, int], ["f"], {}).get()["a"] = 1  # error


def check_text(value: str, rule: QueriedRule | None, setting: Setting[str]) -> str:
    return value


def forget_value(value: int, rule: QueriedRule | None, setting: Setting[int]) -> None:
    pass


ttl.add_validator(check_text)  # error
ttl.add_validator(forget_value)  # error
ttl.add_validator(lambda value: value)  # error
Setting("a", int, ["f"], 1, on_coerce=check_text)  # error

# ---- changes


def note_text(change: Change[str]) -> None:
    pass


ttl.on_change(note_text)  # error
ttl.on_change(lambda: None)  # error
ttl.on_change(lambda change: change.after().upper())  # error
ttl.on_change(print, {"user": 1})  # error
ttl.on_change(print, None, True)  # error

# ---- results


def misuse_results(change: heksher.Change[int], status: heksher.ClientStatus, one: heksher.SettingStatus) -> None:
    change.contexts = {}  # error
    status.state = "closed"  # error
    [*_] = status  # error
    heksher.SettingStatus(True, False, (), False)  # error
    heksher.SettingStatus(is_declared=True, is_missing=False, rejected=())  # error
    assert status[0] == one.is_fine  # error


# ---- clients


async def find_token() -> str:
    return "token"


async def misuse_clients(client: heksher.AsyncHeksherClient, thread_client: heksher.ThreadHeksherClient) -> None:
    heksher.AsyncHeksherClient("http://heksher", "5 minutes", ["user"])  # error
    heksher.ThreadHeksherClient("http://heksher", 300)  # error
    heksher.ThreadHeksherClient("http://heksher", 300, ["user"], snapshot="file")  # error
    heksher.ThreadHeksherClient("http://heksher", 300, ["user"], token=find_token)  # error
    heksher.AsyncHeksherClient("http://heksher", 300, ["user"], token=lambda: 5)  # error
    heksher.AsyncHeksherClient("http://heksher", 300, ["user"], token=b"token")  # error
    heksher.AsyncHeksherClient("http://heksher", 300, ["user"], client_name=5)  # error
    client.set_defaults(user=1)  # error
    client.settings["ttl"] = ttl  # error
    client.track_contexts(user=1)  # error
    await thread_client.reload()  # error
    with client:  # error
        pass
    client.snapshot().get(ttl).upper()  # error
