"""Settings: how they are declared, what is refused, how they are read, and how long they live."""

import inspect
import json
import pydoc
import warnings
import weakref
from collections.abc import Mapping, Sequence
from enum import Enum, IntFlag
from typing import Any
from unittest import mock

import pytest

from heksher import HeksherSequence, main_client
from heksher.clients.conversation.session import Session
from heksher.context import ClientContext
from heksher.evaluation import Evaluation
from heksher.exceptions import DeclarationWarning, InvalidDeclarationError, MissingContextError, UnknownFeatureError
from heksher.rule_set import Rule, RuleSet
from heksher.setting import QueriedRule, Setting, keep_coerced
from tests.support.collector import without_collector
from tests.support.conversation import DECLARE, FEATURES, QUERY, Conversation, declared, features, queried, rule, said

# For calls that are wrong to a type checker, too.
AnySetting: Any = Setting


class Theme(Enum):
    """An enum whose names and values differ."""

    DARK = "dark"
    BRIGHT = "bright"


class Access(IntFlag):
    """Flags that can be combined."""

    READ = 1
    WRITE = 2


def publish(setting: Setting[Any], default_value: object, *rules: Rule[Any], **defaults: str) -> None:
    """Do what a client does when an update has come."""
    names = tuple(setting.configurable_features)
    context = ClientContext(names)
    context.set_defaults(defaults)
    rule_set = RuleSet(setting.name, rules, names)
    setting._switch_to(Evaluation(rule_set, default_value, "server default", context, names).compile())


# ---- declaration


def test_positional_arguments() -> None:
    """The arguments may be given by position, in the published order."""
    setting = Setting("size", int, ["a", "b"], 5, {"owner": "me"}, "width", "1.2", None)
    assert (setting.name, str(setting.type), setting.configurable_features) == ("size", "int", ("a", "b"))
    assert (setting.default_value, setting.metadata, setting.alias) == (5, {"owner": "me"}, "width")
    assert (setting.version, setting.version_str, setting.on_coerce) == ((1, 2), "1.2", None)


def test_signature() -> None:
    """Names and order of the parameters are the published ones, and nothing is required beyond them."""
    parameters = list(inspect.signature(Setting).parameters.values())
    names = "name type configurable_features default_value metadata alias version on_coerce configurable_feature"
    assert names.split() == [parameter.name for parameter in parameters]
    assert parameters[-1].kind is inspect.Parameter.KEYWORD_ONLY


def test_defaults_of_the_arguments() -> None:
    """What need not be said has the published meaning."""
    setting = Setting("size", int, ["a"], 5)
    assert ({}, None, "1.0") == (setting.metadata, setting.alias, setting.version_str)
    assert setting.on_coerce is keep_coerced
    assert keep_coerced(5, "5.1", ["lost something"], None, setting) == 5


@pytest.mark.parametrize("names", [["a", "b"], ("a", "b"), "ab", {"a": 1, "b": 2}])
@pytest.mark.parametrize("spelling", ["configurable_features", "configurable_feature"])
def test_spellings_of_the_features(names: Any, spelling: str) -> None:
    """Both spellings of the keyword mean the same; any sequence of strings will do, a string among them."""
    setting = AnySetting(name="size", type=int, default_value=5, **{spelling: names})
    assert setting.configurable_features == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"default_value": 5}, "configurable_features is missing"),
        ({"default_value": 5, "configurable_features": ["a"], "configurable_feature": ["a"]}, "not both"),
        ({"configurable_features": ["a"]}, "default_value is missing"),
    ],
)
def test_missing_or_repeated_argument(arguments: dict[str, Any], problem: str) -> None:
    """What is missing, or given twice, is a TypeError that names the setting."""
    with pytest.raises(TypeError, match=f"^setting 'size': .*{problem}"):
        AnySetting("size", int, **arguments)


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"name": ""}, "a name consists of A-Z, a-z, 0-9, _ and ."),
        ({"name": "my size"}, "a name consists of A-Z, a-z, 0-9, _ and ."),
        ({"name": "größe"}, "a name consists of A-Z, a-z, 0-9, _ and ."),
        ({"name": "size\n"}, "a name consists of A-Z, a-z, 0-9, _ and ."),
        ({"name": "."}, "no setting can be named '.'"),
        ({"name": ".."}, "no setting can be named '..'"),
        ({"configurable_features": []}, "configurable_features must name at least one feature"),
        ({"configurable_features": ["a", "b", "a"]}, "a feature is repeated"),
        ({"configurable_features": ["a", "b-c"]}, "a feature consists of A-Z, a-z, 0-9 and _"),
        ({"configurable_features": [""]}, "a feature consists of A-Z, a-z, 0-9 and _"),
        ({"alias": "my size"}, "an alias consists of A-Z, a-z, 0-9, _ and ."),
        ({"alias": ""}, "an alias consists of A-Z, a-z, 0-9, _ and ."),
        ({"alias": ".."}, "no alias can be '..'"),
        ({"alias": "size"}, "the alias is an earlier name, not the name itself"),
        ({"version": "1"}, "the version '1' is not MAJOR.MINOR"),
        ({"version": "1.0\n"}, "the version '1.0\\n' is not MAJOR.MINOR"),
        ({"version": "\u0661.\u0660"}, "the version '\u0661.\u0660' is not MAJOR.MINOR"),  # Arabic digits
        ({"metadata": {"my owner": 1}}, "a metadata key consists of A-Z, a-z, 0-9, _ and -"),
        ({"metadata": {"": 1}}, "a metadata key consists of A-Z, a-z, 0-9, _ and -"),
        ({"metadata": {"owner": object()}}, "the metadata is not JSON"),
        ({"metadata": {"owner": float("nan")}}, "the metadata is not JSON"),
        pytest.param({"metadata": {"owner": 10**5000}}, "the metadata is not JSON", id="huge"),
        ({"type": Enum("empty", {})}, "the type cannot be declared: Enum[] has no values"),
    ],
)
def test_declaration_that_will_be_refused(attributes: dict[str, Any], problem: str) -> None:
    """A declaration that every service refuses is warned of where it stands; the warning says what is wrong."""
    arguments = {"name": "size", "configurable_features": ["a"], "type": int, "default_value": 5, **attributes}
    with pytest.warns(DeclarationWarning) as warned:
        setting = AnySetting(**arguments)
    text = f"setting {arguments['name']!r} will be refused by the service, and answer its default: {problem}"
    assert str(warned[0].message).startswith(text)
    assert warned[0].filename == __file__
    assert setting.get() == 5


@pytest.mark.parametrize("version", ["a.b", "1.0.0", "", "1.", "v1.0"])
def test_version_that_is_none(version: str) -> None:
    """A version that is not made of numbers is refused."""
    with pytest.raises(
        InvalidDeclarationError, match=r"^setting 'size': the version '.*' is not MAJOR\.MINOR"
    ) as raised:
        Setting("size", int, ["a"], 5, version=version)
    assert isinstance(raised.value, ValueError)


def test_all_problems_are_told_at_once() -> None:
    """One warning names everything that is wrong."""
    with pytest.warns(DeclarationWarning, match=r"a name consists of .*; a feature is repeated; the default value is"):
        AnySetting("my size", int, ["a", "a"], None)


def test_metadata_nested_too_deep() -> None:
    """Metadata that refers to itself is no JSON."""
    metadata: dict[str, Any] = {}
    metadata["self"] = metadata
    with pytest.warns(DeclarationWarning, match="the metadata is not JSON"):
        Setting("size", int, ["a"], 5, metadata)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.warns(DeclarationWarning, match="the metadata is not JSON"):
        Setting("size", int, ["a"], 5, {"deep": deep})


@pytest.mark.parametrize(
    "attributes", [{"name": 1}, {"configurable_features": [1]}, {"alias": 1}, {"version": 1.0}, {"version": (1, 0)}]
)
def test_text_of_another_type(attributes: dict[str, Any]) -> None:
    """What must be a string and is none is a TypeError."""
    arguments = {"name": "size", "configurable_features": ["a"], "type": int, "default_value": 5, **attributes}
    with pytest.raises(TypeError):
        AnySetting(**arguments)


def test_metadata_is_copied() -> None:
    """Later changes of the mapping are not declared."""
    metadata = {"owner": "me"}
    setting = Setting("size", int, ["a"], 5, metadata)
    metadata["owner"] = "you"
    assert setting.metadata == {"owner": "me"}


# ---- the default value


@pytest.mark.trap(19)
@pytest.mark.parametrize(
    ("python_type", "default_value", "reason"),
    [
        (int, "5", 'int: expected int (a whole number), got "5"'),
        (int, 5.5, "int: expected int (a whole number), got 5.5"),
        (int, True, "int: expected int (a whole number), got True"),
        (int, None, "int: expected int (a whole number), got None"),
        (float, float("nan"), "float: expected float (a finite number), got nan"),
        pytest.param(float, 10**5000, "float: an integer of 16610 bits is too large for a float", id="huge"),
        (Theme, "dark", 'Enum["bright","dark"]: expected a member of Theme, got "dark"'),
        (Sequence[int], "12", 'Sequence<int>: expected a sequence, such as a list or a tuple, got "12"'),
        (Sequence[int], [1, "2"], 'Sequence<int>: element 1: expected int (a whole number), got "2"'),
    ],
)
def test_wrong_default(python_type: Any, default_value: Any, reason: str) -> None:
    """A default that is no value of the type is warned of, by the setting, the type and the value, and answered."""
    with pytest.warns(DeclarationWarning) as warned:
        setting = AnySetting("size", python_type, ["a"], default_value)
    assert str(warned[0].message).endswith(f"the default value is not of the type {reason}")
    assert setting.get() is default_value
    with pytest.raises(TypeError):
        setting.to_v1_declaration_body()


def test_default_is_handed_back() -> None:
    """A default comes out as it was given."""
    sizes = [1, 2]
    setting = Setting("sizes", Sequence[int], ["a"], sizes)
    assert setting.default_value is sizes
    assert setting.get() is sizes


def test_falsy_default() -> None:
    """A default that is false to Python is a default."""
    assert Setting("size", int, ["a"], 0).get() == 0
    assert Setting("name", str, ["a"], "").get() == ""
    assert Setting("names", Sequence[str], ["a"], []).get() == []


def test_type_may_be_a_setting_type() -> None:
    """A type that is one already is taken as it is; one that no setting can have is refused."""
    sizes = HeksherSequence(int)
    assert Setting("sizes", sizes, ["a"], [1]).type is sizes
    with pytest.raises(TypeError, match="bytes is no type that a setting can have"):
        AnySetting("size", bytes, ["a"], b"")


# ---- the declaration's body


def test_declaration_body() -> None:
    """The body has every attribute, as JSON and as the service wants it."""
    setting = Setting("ui.theme", Theme, ["user", "environment"], Theme.DARK, {"owner": "me"}, "theme", "2.1")
    assert setting.to_v1_declaration_body() == {
        "name": "ui.theme",
        "configurable_features": ["user", "environment"],
        "type": 'Enum["bright","dark"]',
        "default_value": "dark",
        "metadata": {"owner": "me"},
        "alias": "theme",
        "version": "2.1",
    }


@pytest.mark.parametrize(
    ("python_type", "default_value", "text", "written"),
    [
        (float, 1, "float", 1),
        (Access, Access.READ | Access.WRITE, 'Flags["READ","WRITE"]', ["READ", "WRITE"]),
        (
            Mapping[str, Sequence[Theme]],
            {"x": [Theme.DARK]},
            'Mapping<Sequence<Enum["bright","dark"]>>',
            {"x": ["dark"]},
        ),
    ],
)
def test_declaration_body_is_json(python_type: Any, default_value: Any, text: str, written: Any) -> None:
    """Type and default are written as the wire wants them, in a body that JSON can carry."""
    body = AnySetting("x", python_type, ["a"], default_value).to_v1_declaration_body()
    assert body == {
        "name": "x",
        "configurable_features": ["a"],
        "type": text,
        "default_value": written,
        "metadata": {},
        "alias": None,
        "version": "1.0",
    }
    assert json.loads(json.dumps(body, allow_nan=False)) == body


# ---- reading


def test_get_without_a_client() -> None:
    """Before anything is heard from a service, the local default is the answer, in any context."""
    setting = Setting("size", int, ["a"], 5)
    assert (setting.get(), setting.get(a="x"), setting.server_default_value) == (5, 5, None)
    assert setting.explain(a="x").source == "local default"


def test_get_after_an_update() -> None:
    """Afterwards it is the rule that wins, else the server's default."""
    setting = Setting("size", int, ["a"], 5)
    publish(setting, 6, Rule(1, (("a", "x"),), 7))
    assert (setting.get(a="x"), setting.get(a="y"), setting.server_default_value, setting.default_value) == (7, 6, 6, 5)
    assert setting.explain(a="x").rule == Rule(1, (("a", "x"),), 7)


def test_get_uses_the_defaults_of_the_client() -> None:
    """What the call does not name comes from the client's defaults."""
    setting = Setting("size", int, ["a"], 5)
    publish(setting, 6, Rule(1, (("a", "x"),), 7), a="x")
    assert (setting.get(), setting.get(a="y")) == (7, 6)


def test_errors_of_get() -> None:
    """Unknown and missing features are errors, for get and explain alike; before the first update none is missing."""
    setting = Setting("size", int, ["a"], 5)
    for ask in (setting.get, setting.explain):
        with pytest.raises(UnknownFeatureError, match="setting 'size' is not configurable by b; its features are a"):
            ask(b="x")
    publish(setting, 6, Rule(1, (("a", "x"),), 7))
    for ask in (setting.get, setting.explain):
        with pytest.raises(MissingContextError, match="context feature 'a'"):
            ask()


@pytest.mark.parametrize("feature", ["self", "name", "class", "contexts", "setting", "type", "1"])
def test_features_of_any_name(feature: str) -> None:
    """A feature may have the name of a parameter, or one that is no name in Python."""
    setting = Setting("size", int, [feature], 5)
    publish(setting, 6, Rule(1, ((feature, "x"),), 7))
    assert setting.get(**{feature: "x"}) == 7
    assert setting.explain(**{feature: "x"}).value == 7


def test_get_can_be_patched() -> None:
    """A program's tests may replace get on one setting for a while."""
    setting = Setting("size", int, ["a"], 5)
    with mock.patch.object(setting, "get", return_value=9):
        assert setting.get(a="x") == 9
    assert setting.get(a="x") == 5


class CountedSetting(Setting[int]):
    """A setting of a program's own kind."""

    def __init__(self, name: str) -> None:
        super().__init__(name, int, ["a"], 5)
        self.reads = 0

    def get(self, /, **contexts: str) -> int:
        self.reads += 1
        return super().get(**contexts)


def test_subclass() -> None:
    """A program may derive a class of its own, with attributes and a get of its own."""
    setting = CountedSetting("size")
    assert (setting.get(), setting.get(a="x"), setting.reads) == (5, 5, 2)


def test_validators() -> None:
    """Validators are kept in order; adding one gives it back, so that it can be a decorator."""
    setting = Setting("size", int, ["a"], 5)

    @setting.add_validator
    def first(value: int, _rule: QueriedRule | None, _setting: Setting[int]) -> int:
        return value

    def second(value: int, _rule: QueriedRule | None, _setting: Setting[int]) -> int:
        return value

    assert setting.add_validator(second) is second
    assert first(3, None, setting) == 3
    assert (first, second) == setting.validators


def test_queried_rule() -> None:
    """A rule as validators see it has the published attributes."""
    rule = QueriedRule(7, (("a", "x"),))
    assert (7, (("a", "x"),)) == (rule.rule_id, rule.context_features)


def test_repr() -> None:
    """A setting shows its name, type, default and version."""
    setting = Setting("sizes", Sequence[int], ["a"], [1], version="1.2")
    assert repr(setting) == "<Setting sizes (Sequence<int>), default [1], version 1.2>"


def test_help() -> None:
    """help() works on the class, and explains the arguments."""
    text = pydoc.render_doc(Setting)
    for parameter in inspect.signature(Setting).parameters:
        assert parameter in text
    assert "Raises:" in text


def test_settings_are_compared_by_identity() -> None:
    """Two settings of one name are two, and both can be keys."""
    assert len({Setting("size", int, ["a"], 5), Setting("size", int, ["a"], 5)}) == 2


# ---- registration


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the settings that are registered during a test."""
    names: list[str] = []
    monkeypatch.setattr(main_client, "register", lambda setting: names.append(setting.name))
    return names


def test_setting_is_registered(registered: list[str]) -> None:
    """A setting is registered when it is complete, once."""
    Setting("size", int, ["a"], 5)
    assert registered == ["size"]


def test_wrong_setting_is_not_registered(registered: list[str]) -> None:
    """What could not be created is not declared."""
    for arguments in ({"version": "1.0.0"}, {"type": bytes}, {"configurable_feature": ["a"]}):
        with pytest.raises((TypeError, ValueError)):
            AnySetting(**{"name": "s", "type": int, "configurable_features": ["a"], "default_value": 5, **arguments})
    # What programs have made an error.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeclarationWarning)
        with pytest.raises(DeclarationWarning):
            Setting("my size", int, ["a"], 5)
    assert registered == []


def test_setting_dies_at_once() -> None:
    """A setting that the program drops dies at once, as nobody else holds it, and it is in no cycle."""
    with without_collector():
        setting = Setting("size", int, ["a"], 5)
        setting.get(a="x")
        setting.explain(a="x")
        reference = weakref.ref(setting)
        del setting
        assert reference() is None


@pytest.mark.trap(7)
def test_setting_of_a_client_dies_at_once() -> None:
    """That is so after updates, too, and after values of it were rejected."""
    with without_collector():
        setting = Setting("size", int, ["a"], 5)
        session = Session(ClientContext(("a",)))
        session.register(setting)
        for _ in range(2):
            talk = Conversation(session.update())
            if talk.asked == [FEATURES]:
                talk.play((FEATURES, features("a")), (DECLARE, declared()))
            talk.play((QUERY, queried({"size": said("big", rule(1, 7, a="x"), rule(2, "wide", a="y"))}, ("a",))))
            session.publish(talk.result())
            del talk
        assert setting.get(a="x") == 7
        reference = weakref.ref(setting)
        del setting
        assert reference() is None
        assert session.settings() == []
