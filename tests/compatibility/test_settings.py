"""Settings, their types and their values, as programs written for the published client use them.

One test for each row of the list that both clients were compared by; a test shows both where ours differs on purpose.
"""

import copy
import dataclasses
import json
import pickle
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime, time
from enum import Enum, IntFlag
from types import MappingProxyType
from typing import Any
from unittest import mock
from uuid import UUID

import pytest

import heksher
from heksher import HeksherEnum, HeksherFlags, HeksherMapping, HeksherSequence, Setting
from heksher.clients.stub import Rule
from heksher.clients.util import SettingData
from heksher.setting import QueriedRule
from heksher.setting_type import Conversion, setting_type
from tests.compatibility.conftest import IS_OURS, SETTING, MakeClient, OldService


class Access(IntFlag):
    """Members of every kind; ``b`` is defined first."""

    b = 1
    a = 2
    both = 3
    none = 0
    alias = 1


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Nothing(Enum):
    pass


@dataclasses.dataclass
class Owner:
    name: str
    color: Color


def warned() -> AbstractContextManager[object]:
    """Expect that the client warns of a declaration, if it is ours: the published one says nothing."""
    return pytest.warns(heksher.DeclarationWarning) if IS_OURS else nullcontext()


def test_row_1_conversion_is_a_dataclass():
    """It can be replaced, and not unpacked; the coercions of what has parts are a list."""
    conversion = Conversion(3)
    assert (3, ()) == (conversion.value, conversion.coercions)
    assert Conversion(4, ()) == dataclasses.replace(conversion, value=4)
    assert not isinstance(conversion, tuple)
    for python_type, value in ((Access, ["a"]), (Sequence[int], [1]), (Mapping[str, int], {"x": 1})):
        assert [] == setting_type(python_type).convert_from_heksher(value).coercions
    coerced = setting_type(Sequence[int]).convert_from_heksher([1, "x"])
    assert [str] == [type(coercion) for coercion in coerced.coercions]


def test_row_2_setting_data_is_a_mutable_dataclass(make_client: MakeClient):
    """Its parts are lists and a dict."""
    if make_client().native.__class__ is heksher.ThreadHeksherClient and not IS_OURS:
        data = SettingData("size", ["a", "b"], "int", 1, {"owner": "me"}, ["width"], "1.0")  # it fails there, row 30a
    else:
        data = make_client().call("get_settings")["size"]
    assert SETTING == dataclasses.asdict(data) == vars(data)
    data.version = "1.1"
    data.aliases.append("breadth")
    assert ("1.1", ["width", "breadth"]) == (data.version, data.aliases)


def test_row_3_rules_are_dataclasses():
    """With the published names of the fields; those of stubs are compared by value."""
    queried = QueriedRule(rule_id=7, context_features=[("a", "x")])
    assert ["rule_id", "context_features"] == [field.name for field in dataclasses.fields(QueriedRule)]
    assert (7, [("a", "x")]) == (queried.rule_id, queried.context_features)
    assert ["match_conditions", "value"] == [field.name for field in dataclasses.fields(Rule)]
    assert Rule({"a": "x"}, 1) == Rule(match_conditions={"a": "x"}, value=1) != Rule({"a": "x"}, 2)


def test_row_4_names_of_parameters():
    """The parameters and attributes of types have the published names."""
    assert HeksherFlags(flags_type=Access).type_ is Access
    assert HeksherEnum(enum_type=Color).type_ is Color
    assert "int" == HeksherSequence(inner=int).inner.heksher_string()
    assert "str" == HeksherMapping(inner=str).inner.heksher_string()
    number = setting_type(arg=int)
    assert 3 == number.convert_from_heksher(x=3).value == number.convert_to_heksher(x=3)


def test_row_5_flags_type_has_all_names():
    """Members of no bit, of several, and second names are in the type, sorted by their JSON text."""
    assert 'Flags["a","alias","b","both","none"]' == setting_type(Access).heksher_string()


def test_row_6_flags_are_written_in_the_order_of_definition():
    """By the names of the single members that are set."""
    flags = Setting("flags", Access, ["a"], Access.both)
    assert ["b", "a"] == flags.to_v1_declaration_body()["default_value"]
    assert [] == setting_type(Access).convert_to_heksher(Access.none)


@pytest.mark.parametrize(("number", "names"), [(0, []), (2, ["a"]), (3, ["b", "a"])])
def test_row_7_default_of_flags_may_be_a_number(number: int, names: list[str]):
    """It is declared as the names of its members, and handed back as it was given."""
    flags = Setting("flags", Access, ["a"], number)
    assert names == flags.to_v1_declaration_body()["default_value"]
    assert (number, int) == (flags.get(a="x"), type(flags.get(a="x")))


@pytest.mark.parametrize("value", [[1], ["a", None], [["a"]]])
def test_row_8_flags_with_an_element_that_is_no_string(value: list[Any]):
    """The whole value is rejected."""
    with pytest.raises(TypeError):
        setting_type(Access).convert_from_heksher(value)


@pytest.mark.parametrize(
    "value", [{1, 2}, frozenset({1, 2}), {1: "x", 2: "y"}.keys(), {"x": 1, "y": 2}.values(), deque([1, 2]), range(1, 3)]
)
def test_row_9_default_of_a_sequence_may_be_any_collection(value: Any):
    """It is declared as an array."""
    sizes = Setting("sizes", Sequence[int], ["a"], value)
    assert [1, 2] == sizes.to_v1_declaration_body()["default_value"]
    assert sizes.get(a="x") is value


def test_row_10_metadata_that_json_lacks(make_client: MakeClient, service: OldService):
    """Dates, times, UUIDs, enum members and dataclasses reach the service as JSON."""
    metadata = {
        "day": date(2020, 1, 2),
        "moment": datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC),
        "time": time(3, 4),
        "id": UUID(int=1),
        "color": Color.RED,
        "owner": Owner("me", Color.BLUE),
        "nested": {"days": [date(2020, 1, 2)]},
    }
    setting = Setting("size", int, ["a"], 1, metadata)
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    assert [
        {
            "day": "2020-01-02",
            "moment": "2020-01-02T03:04:05+00:00",
            "time": "03:04:00",
            "id": "00000000-0000-0000-0000-000000000001",
            "color": "red",
            "owner": {"name": "me", "color": "blue"},
            "nested": {"days": ["2020-01-02"]},
        }
    ] == [body["metadata"] for body in service.declared]
    assert metadata == setting.metadata


@pytest.mark.parametrize(
    ("python_type", "default"), [(Sequence[int], [1]), (Mapping[str, int], {"x": 1}), (float, 7), (Sequence[int], ())]
)
def test_row_11_local_default_is_handed_back(python_type: Any, default: Any):
    """It is the very object that was given."""
    setting = Setting("s", python_type, ["a"], default)
    assert setting.get(a="x") is default
    assert setting.default_value is default


def test_row_11_values_of_the_service(make_client: MakeClient, service: OldService):
    """Arrays are tuples. Objects cannot be changed; ours are dicts, which can be dumped, copied and pickled, too."""
    service.default_value = {"x": [1]}
    setting = Setting("limits", Mapping[str, Sequence[int]], ["a"], {})
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    value: Any = setting.get(a="x")
    assert {"x": (1,)} == value
    with pytest.raises(TypeError):
        value["y"] = (2,)
    if IS_OURS:
        assert {"x": [1]} == json.loads(json.dumps(value))
        assert value == copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value))  # noqa: S301 - its own
        assert {"x": (1,), "y": 2} == {**value, "y": 2} == value | {"y": 2}
    else:
        assert isinstance(value, MappingProxyType)


@pytest.mark.parametrize(("python_type", "default"), [(int, None), (int, "5"), (Mapping[str, int], 0), (Color, "red")])
def test_row_12_default_of_another_type(python_type: Any, default: object):
    """Reads answer it; ours warns besides."""
    with warned():
        wrong = Setting("wrong", python_type, ["a"], default)
    assert (default, default) == (wrong.get(a="x"), wrong.default_value)


def test_row_12_what_cannot_be_written_is_not_declared(make_client: MakeClient, service: OldService):
    """The start goes on without it."""
    with warned():
        wrong = Setting("wrong", Mapping[str, int], ["a"], 0)
    good = Setting("good", int, ["a"], 5)
    service.default_value = 7
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    assert ["good"] == [body["name"] for body in service.declared]
    assert (0, 7) == (wrong.get(a="x"), good.get(a="x"))


@pytest.mark.parametrize(
    "attributes",
    [
        {"name": "my size"},
        {"name": ""},
        {"configurable_features": ["a", "a"]},
        {"configurable_features": ["b-c"]},
        {"alias": "my size"},
        {"metadata": {"my owner": 1}},
        {"version": "1"},
    ],
)
def test_row_13_declaration_that_will_be_refused(attributes: dict[str, Any]):
    """The setting can be made and read; ours warns of it."""
    arguments = {"name": "size", "type": int, "configurable_features": ["a"], "default_value": 5, **attributes}
    with warned():
        setting = Setting(**arguments)
    assert 5 == setting.get()
    assert arguments["name"] == setting.to_v1_declaration_body()["name"]


def test_row_13_no_features():
    """A setting without features can be made and read."""
    with warned():
        setting = Setting("size", int, [], 5)
    assert (5, []) == (setting.get(), setting.configurable_features)
    with pytest.raises(ValueError, match="a"):
        setting.get(a="x")


@pytest.mark.parametrize("version", ["a.b", "1.2.3", ""])
def test_row_13_versions_that_are_none(version: str):
    """They are refused at once."""
    with pytest.raises(ValueError):  # noqa: PT011 - the published text is Python's own
        Setting("size", int, ["a"], 5, version=version)


def test_row_14_version():
    """A version is numbers, and a text."""
    setting = Setting("size", int, ["a"], 5, version="1.10")
    assert ((1, 10), "1.10") == (setting.version, setting.version_str)
    assert setting.version > (1, 9)
    assert "1.10" == setting.to_v1_declaration_body()["version"]
    with warned():
        assert (1,) == Setting("size", int, ["a"], 5, version="1").version


def test_row_15_features_are_an_ordered_set():
    """They are compared and combined as a list, or as a set."""
    features = Setting("size", int, ["b", "a", "c"], 5).configurable_features
    assert features == ["b", "a", "c"]
    assert features == ("b", "a", "c")
    assert features != ["a", "b", "c"]
    assert features == {"a", "b", "c"}
    assert ["b", "c"] == features - {"a"} == features - ["a"]
    assert ["b", "a"] == features & ["a", "b", "z"]
    assert ["b", "a", "c", "z"] == features | ["z"]
    assert features <= {"a", "b", "c", "d"}
    assert "a" in features
    assert "z" not in features
    assert ("b", ["b", "a"], 1, 3) == (features[0], features[:2], features.index("a"), len(features))


def test_row_16_default_can_be_set(make_client: MakeClient, service: OldService):
    """It is answered where neither a rule nor a default of the service applies, and restored by ``mock``."""
    setting = Setting("size", int, ["a"], 5)
    setting.default_value = 6
    assert (6, 6) == (setting.get(a="x"), setting.to_v1_declaration_body()["default_value"])
    with mock.patch.object(setting, "default_value", 7):
        assert 7 == setting.get(a="x")
    assert 6 == setting.get(a="x")
    service.default_value = 8
    service.rules = [{"rule_id": 1, "value": 9, "context_features": [["a", "x"]]}]
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    with mock.patch.object(setting, "default_value", 7):
        assert (9, 8, 7) == (setting.get(a="x"), setting.get(a="y"), setting.default_value)


def test_row_17_default_of_the_service_can_be_set(make_client: MakeClient, service: OldService):
    """It is ``None`` before the first update, is answered when it is set, and gives way to what the service says."""
    setting = Setting("size", int, ["a"], 5)
    assert setting.server_default_value is None
    setting.server_default_value = 6
    assert 6 == setting.get(a="x")
    setting.server_default_value = None
    assert 5 == setting.get(a="x")
    with mock.patch.object(setting, "server_default_value", 7):
        assert 7 == setting.get(a="x")
    assert (5, None) == (setting.get(a="x"), setting.server_default_value)
    service.default_value = 8
    client = make_client()
    client.native.track_contexts(a="*")
    client.call("set_as_main")
    assert (8, 8) == (setting.get(a="x"), setting.server_default_value)
    setting.server_default_value = 9
    assert 9 == setting.get(a="x")
    service.default_value = 10
    client.call("reload")
    assert (10, 10) == (setting.get(a="x"), setting.server_default_value)


def test_row_18_types_that_no_setting_has():
    """An enum class without members is a type, which no service knows; a list is none."""
    assert "Enum[]" == setting_type(Nothing).heksher_string()
    with pytest.raises(RuntimeError):
        setting_type(list)
