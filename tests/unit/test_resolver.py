"""Compiling what a setting answers: names that are no Python, defaults of every kind, references that stay live."""

import inspect
import pydoc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from enum import Enum, StrEnum
from types import CodeType, FunctionType
from unittest import mock
from uuid import UUID

import pytest

from heksher import resolver
from heksher.context import TRACK_ALL, ClientContext
from heksher.evaluation import Evaluation
from heksher.exceptions import InvalidContextError, MissingContextError, UnknownFeatureError
from heksher.get_source import Block, Shape, show_source
from heksher.resolver import FIRST_READS, use_compiled_code
from heksher.rule_set import Rule, RuleSet
from heksher.setting import Setting
from tests.support.waiting import wait_until

FEATURES = ("environment", "user", "theme")


def make_rule(rule_id: int, value: object, /, **conditions: str) -> Rule[object]:
    return Rule(rule_id, tuple(conditions.items()), value)


def switch(
    setting: Setting, *rules: Rule[object], context: ClientContext | None = None, order: tuple[str, ...] = FEATURES
) -> None:
    """Do what a client does when it has an answer for a setting."""
    rule_set = RuleSet(setting.name, rules, order)
    context = context or ClientContext(order)
    setting._switch_to(Evaluation(rule_set, 0, "server default", context, setting.configurable_features).compile())


def make_setting(*rules: Rule[object], context: ClientContext | None = None) -> Setting[int]:
    setting = Setting("size", int, FEATURES, 0)
    switch(setting, *rules, context=context)
    return setting


def in_both_codes(setting: Setting) -> Iterator[None]:
    """Yield twice: in the first reads of a setting, which look at the types of values, and after them."""
    yield
    use_compiled_code(setting._get)
    yield


# ---- interpreters


class Value:
    """A value that a test can see being dropped."""


# A setting whose code has one constant of each kind.
CONTEXT = ClientContext(FEATURES)
CONTEXT.set_defaults({"environment": "dev", "theme": ContextVar("theme", default="dark")})
CONTEXT.track({"user": "ada", "environment": TRACK_ALL, "theme": TRACK_ALL})
RULES = (
    make_rule(1, 10, user="ada"),
    make_rule(2, 20, environment="dev", theme="dark"),
    make_rule(3, 30, theme="dark", user="bob"),
)
CONSTANTS = [
    "slow path",
    "default",
    "variable 2",
    "tracked 1",
    "rules 0 0",
    "rules 0 1",
    "guard 0",
    "rules 1 0",
    ...,
]


@pytest.fixture
def fresh_warning() -> Iterator[None]:
    """Have the warning of an unexpected interpreter not given yet, before the test and after it."""
    resolver._warn_of_unexpected_code.cache_clear()
    yield
    resolver._warn_of_unexpected_code.cache_clear()


def lose_constant(constant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have compiled code no longer keep a constant where it is expected."""
    compile_template = resolver._compile_template

    def compile_otherwise(shape: Shape) -> CodeType:
        template = compile_template(shape)
        kept = tuple("somewhere else" if known == constant else known for known in template.co_consts)
        return template.replace(co_consts=kept)

    monkeypatch.setattr(resolver, "_compile_template", compile_otherwise)


def read_all(setting: Setting[int]) -> list[int]:
    contexts = [{"user": "ada"}, {"user": "eve"}, {"user": "eve", "environment": "prod"}, {"user": "bob"}]
    return [setting.get(**context) for context in contexts]


def test_the_code_has_all_constants() -> None:
    """What the following test takes away is there before."""
    template = resolver._compile_template(
        Shape(("nothing", "required", "variable"), (1,), (Block(2, ((2, 1), (2, 0))), Block(1, ((1,),))))
    )
    assert set(CONSTANTS) <= set(template.co_consts)


@pytest.mark.usefixtures("fresh_warning")
@pytest.mark.parametrize("constant", CONSTANTS, ids=str)
def test_an_interpreter_that_keeps_constants_elsewhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, constant: object
) -> None:
    """Where one constant cannot be put in, settings answer the plain way, and the same; that is said once."""
    expected = read_all(make_setting(*RULES, context=CONTEXT))
    lose_constant(constant, monkeypatch)
    settings = [make_setting(*RULES, context=CONTEXT) for _ in range(3)]
    assert [expected] * 3 == [read_all(setting) for setting in settings]
    text = "this version of Python keeps constants in another way: settings are read without compiled code"
    assert [text] == [message for message in caplog.messages if "version of Python" in message]
    assert all(setting.get.__code__ is resolver._SLOW_CODE for setting in settings)


@pytest.mark.usefixtures("fresh_warning")
def test_updates_of_a_setting_that_is_read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """It follows what is new, gets compiled code when that can be had, and keeps nothing of what was before."""
    setting = make_setting(make_rule(1, 10, user="ada"))
    with monkeypatch.context() as patch:
        lose_constant("default", patch)
        switch(setting, make_rule(1, 11, user="ada"))
        assert (11, 0) == (setting.get(user="ada"), setting.get(user="bob"))
        value = Value()
        switch(setting, make_rule(1, value, user="ada"))
        assert setting.get(user="ada") is value
        former = weakref.ref(value)
        del value
    switch(setting, make_rule(1, 13, user="ada"))
    assert (13, None) == (setting.get(user="ada"), former())
    assert setting.get.__code__ is not resolver._SLOW_CODE


# ---- names


@pytest.mark.parametrize(
    "name",
    [
        "class",
        "from",
        "self",
        "_extra",
        "2fa",
        "contexts",
        "value",
        "rule",
        "None",
        "LookupError",
        "f0",
        "__x",
        "table",
    ],
)
def test_feature_names_that_mean_something_else(name: str):
    """A feature may have any name that the service allows: a keyword, no identifier, or one that is used inside."""
    setting = Setting("size", int, [name, "other"], 0)
    switch(setting, Rule(1, ((name, "x"),), 10), Rule(2, ((name, "y"), ("other", "z")), 20), order=("other", name))
    answers = [setting.get(**{name: value, "other": other}) for value, other in ["xz", "yz", "y-", "-z"]]
    assert [10, 20, 0, 0] == answers
    with pytest.raises(MissingContextError, match=f"'{name}'"):
        setting.get(other="z")
    with pytest.raises(UnknownFeatureError, match="unknown"):
        setting.get(**{name: "x", "unknown": "x"})
    assert "Return the setting's value" in pydoc.render_doc(setting.get)


def test_no_name_is_part_of_the_source():
    """The source is written from numbers: nothing that a program or a service says can get into it."""
    shape = Shape(("nothing", "required", "variable"), (2,), (Block(2, ((0, 2), (2,))), Block(1, ((1, 0),))))
    assert show_source(shape) == (
        "def get(*, f0, f1, f2, **contexts):\n"
        "    if contexts: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    if f1 is None: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    if f2 is ...:\n"
        "        try: f2 = 'variable 2'.get()\n"
        "        except LookupError: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    if f2 is None: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    try:\n"
        "        if f2 not in 'tracked 2' and f2 is not None:"
        " return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "        if f2 in 'guard 0':\n"
        "            if f0 in 'rules 0 0':\n"
        "                table = 'rules 0 0'[f0]\n"
        "                if f2 in table: return table[f2]\n"
        "            if f2 in 'rules 0 1': return 'rules 0 1'[f2]\n"
        "        if f1 in 'rules 1 0':\n"
        "            table = 'rules 1 0'[f1]\n"
        "            if f0 in table: return table[f0]\n"
        "    except TypeError: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    return 'default'"
    )


@pytest.mark.filterwarnings("error")
def test_values_that_look_like_what_stands_for_them():
    """A rule, a default or a context may be a text that the source uses to stand for something."""
    setting = Setting("label", str, ["environment"], "default")
    context = ClientContext(FEATURES)
    context.set_defaults({"environment": "slow path"})
    rules = [Rule(1, (("environment", "slow path"),), "guard 0"), Rule(2, (("environment", "default"),), "filling 0")]
    rule_set = RuleSet("label", rules, FEATURES)
    setting._switch_to(Evaluation(rule_set, "rules 0 0", "server default", context, ("environment",)).compile())
    assert ["guard 0", "filling 0", "rules 0 0"] == [
        setting.get(),
        setting.get(environment="default"),
        setting.get(environment="-"),
    ]


# ---- values of the context


class Word(StrEnum):
    """A text, as a program may have it for a feature."""

    ME = "me"
    OTHER = "other"


class Name(str, Enum):  # noqa: UP042 - as programs from before StrEnum have it
    """The same."""

    ME = "me"


class Text(str):  # noqa: PLW1641 - without a hash it cannot be looked up
    """A text with a way of its own to be compared, which therefore cannot be looked up."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return False


class Color(Enum):
    """A member of this is no text, though its value is."""

    RED = "red"


@pytest.mark.parametrize("value", ["", 5, ("a",), True, Word.OTHER])
def test_given_values_that_no_rule_has(value: object):
    """What is given counts as given, whatever it is: no default takes its place, and no rule matches it."""
    context = ClientContext(FEATURES)
    context.set_defaults({"user": "me"})
    setting = make_setting(make_rule(1, 10, user="me"), context=context)
    for _ in in_both_codes(setting):
        assert [10, 0] == [setting.get(), setting.get(user=value)]


def test_none_is_no_value():
    """A feature that is given as None has no value: the client's default, of either kind, does not take its place."""
    context = ClientContext(FEATURES)
    context.set_defaults({"user": "me", "theme": ContextVar("theme", default="dark")})
    setting = make_setting(make_rule(1, 10, user="me"), make_rule(2, 20, theme="dark"), context=context)
    for _ in in_both_codes(setting):
        assert [20, 10] == [setting.get(), setting.get(theme="bright")]
        assert 20 == setting.get(user=None, environment=None)
        with pytest.raises(MissingContextError, match="'user'"):
            setting.get(user=None, theme="bright")
        with pytest.raises(MissingContextError, match="'theme'"):
            setting.get(theme=None)


def test_missing_features_may_match_nothing():
    """Where the client says so, no rule on a missing feature matches, and each such read is counted once."""
    context = ClientContext(FEATURES, on_missing="no_match")
    setting = make_setting(make_rule(1, 10, theme="dark"), make_rule(2, 20, theme="dark", user="me"), context=context)
    switch(setting, make_rule(1, 10, theme="dark"), make_rule(2, 20, user="me", theme="dark"), context=context)
    for _ in in_both_codes(setting):
        assert [10, 0, 20] == [setting.get(theme="dark"), setting.get(), setting.get(theme="dark", user="me")]
    assert {("size", "user"): 4, ("size", "theme"): 2} == dict(context.missing_reads)


@pytest.mark.parametrize("value", [Word.ME, Name.ME, Text("me")], ids=["StrEnum", "Enum", "subclass"])
def test_values_that_are_texts_of_another_class(value: str):
    """They are compared as the texts that they are."""
    setting = make_setting(make_rule(1, 10, user="me"))
    for _ in in_both_codes(setting):
        assert 10 == setting.get(user=value)


@pytest.mark.parametrize("value", [["me"], {"me"}, {"me": 1}, bytearray(b"me")], ids=["list", "set", "dict", "bytes"])
def test_values_that_cannot_be_looked_up(value: object):
    """They are an error of ours, which names setting, feature and value, where a rule would be looked up by them."""
    setting = make_setting(make_rule(1, 10, user="me"))
    text = f"setting 'size' cannot be read with user={value!r}: the value of a context feature is a text"
    for _ in in_both_codes(setting):
        with pytest.raises(InvalidContextError) as raised:
            setting.get(user=value)
        assert text == str(raised.value)
        assert 10 == setting.get(user="me", theme=value)


def list_type_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    began = "context feature value is no text, so it never matches: setting "
    return [text.removeprefix(began).partition(";")[0] for text in caplog.messages if text.startswith(began)]


def test_values_that_are_no_text_are_warned_of(caplog: pytest.LogCaptureFixture):
    """The first read with a value of another type is a warning, for each setting, feature and type."""
    setting = make_setting(make_rule(1, 10, user="me"))
    for value in (42, 43, True, UUID(int=1), Color.RED, "me", Word.ME, None):
        with suppress(MissingContextError):
            setting.get(user=value, theme=value)
    expected = [
        f"size is read with {feature}={value!r}, of type {type(value).__name__}"
        for value in (42, True, UUID(int=1), Color.RED)
        for feature in ("user", "theme")
    ]
    assert expected == list_type_warnings(caplog)


def test_texts_that_no_rule_can_have_are_warned_of(caplog: pytest.LogCaptureFixture):
    """The first such read is a warning that says why, for each setting and feature; other texts are none."""
    setting = make_setting(make_rule(1, 10, user="café"))
    for value in ("me", "alice@example.com", "café", "x" * 300, "cafe\u0301", "*", "", Text("*mia")):
        setting.get(user=value, theme="*" if value == "" else "dark")
    began = "context feature value is a text that no rule can have: setting size is read with "
    assert [
        "user='cafe\u0301', and it is not in the normal form NFC of Unicode",
        "theme='*', and it begins with *",
    ] == [
        text.removeprefix(began).partition(": send")[0].partition(", which")[0]
        for text in caplog.messages
        if text.startswith(began)
    ]


def test_types_are_looked_at_in_the_first_reads_after_each_update(caplog: pytest.LogCaptureFixture):
    """That many reads look at types, then none does, until the setting is compiled anew."""
    setting = make_setting()
    first_code = setting.get.__code__
    for _ in range(FIRST_READS):
        assert setting.get.__code__ is first_code
        setting.get(user="me")
    assert setting.get.__code__ is not first_code
    setting.get(user=42)
    assert [] == list_type_warnings(caplog)
    switch(setting)
    setting.get(user=42)
    assert ["size is read with user=42, of type int"] == list_type_warnings(caplog)


def test_types_of_variables_are_looked_at(caplog: pytest.LogCaptureFixture):
    """What a ContextVar says is looked at as well as what a call gives."""
    context = ClientContext(FEATURES)
    variable: ContextVar[object] = ContextVar("user", default=42)
    context.set_defaults({"user": variable})  # type: ignore[dict-item]  # what must be warned of
    assert 0 == make_setting(make_rule(1, 10, user="42"), context=context).get()
    assert ["size is read with user=42, of type int"] == list_type_warnings(caplog)


def test_the_end_of_first_reads_brings_back_nothing_old():
    """A read that began before an update, and ends the first reads after it, leaves what the update has brought."""
    context = ClientContext(FEATURES)
    context.set_defaults({"user": "me"})
    setting = make_setting(make_rule(1, 10, user="me"), context=context)
    first_code = setting.get.__code__
    switch(setting, make_rule(1, 11, user="you"))
    late = FunctionType(first_code, {})
    assert {10} == {late(environment=None, user="me", theme=None) for _ in range(FIRST_READS)}
    assert 11 == setting.get(user="you")
    with pytest.raises(MissingContextError):
        setting.get()


def test_positional_contexts():
    """Whoever gives a value without its feature is told how to, in the first reads and later."""
    setting = make_setting()
    for _ in in_both_codes(setting):
        with pytest.raises(TypeError) as raised:
            setting.get("guest")  # type: ignore[call-arg]  # what must fail
        assert "setting 'size': contexts are keywords, as in get(environment=...); get()" in str(raised.value)


@pytest.mark.parametrize("value", [0, None, "", False])
def test_values_that_are_false(value: object):
    """A rule may have any value, also one that is false to Python, or None."""
    setting = make_setting(make_rule(1, value, user="me"), make_rule(2, 7, user="me", theme="dark"))
    assert value == setting.get(user="me", theme="bright")
    assert 7 == setting.get(user="me", theme="dark")


def test_variables():
    """A ContextVar is looked up at each call; one without a value, or with None, is no default."""
    variable: ContextVar[str | None] = ContextVar("theme")
    context = ClientContext(FEATURES)
    context.set_defaults({"theme": variable})
    setting = make_setting(make_rule(1, 10, theme="dark"), context=context)

    def read(value: str | None) -> int:
        variable.set(value)
        return setting.get()

    with pytest.raises(MissingContextError, match="'theme'"):
        setting.get()
    with pytest.raises(MissingContextError, match="'theme'"):
        copy_context().run(read, None)
    assert [10, 0] == [copy_context().run(read, value) for value in ("dark", "bright")]
    assert 10 == setting.get(theme="dark")


def test_a_feature_that_no_rule_needs_may_be_missing():
    """Only a feature that rules have conditions on must be given, and only if no rule wins without it."""
    setting = make_setting(make_rule(1, 10, theme="dark"), make_rule(2, 20, environment="dev"))
    assert 10 == setting.get(theme="dark")
    assert 20 == setting.get(theme="bright", environment="dev")
    with pytest.raises(MissingContextError, match="'environment'"):
        setting.get(theme="bright")


def test_untracked_values_are_counted():
    """A value whose rules are not fetched is noted, also where no rule depends on its feature; a tracked one is not."""
    context = ClientContext(FEATURES)
    context.track({"user": TRACK_ALL, "theme": ["dark"]})
    setting = make_setting(make_rule(1, 10, user="me"), context=context)
    assert [10, 10, 10] == [setting.get(user="me", **more) for more in ({}, {"theme": "dark"}, {"theme": "bright"})]
    assert {("size", "theme"): 1} == dict(context.untracked_reads)


def test_features_that_the_program_does_not_declare():
    """With a rule on a feature that cannot be given, the answer is that of the plain way."""
    setting = Setting("size", int, ["user"], 0)
    switch(setting, make_rule(1, 10, theme="dark"), make_rule(2, 20, user="me"))
    assert [20, 0] == [setting.get(user="me"), setting.get(user="you")]


# ---- one function for the setting's whole life


def test_a_kept_reference_stays_live():
    """What was taken from the setting before an update answers as the setting does after it."""
    setting = make_setting()
    get = setting.get
    switch(setting, make_rule(1, 10, user="me"))
    assert get is setting.get
    assert 10 == get(user="me")


def test_unpacked_contexts():
    """A context may be a mapping that is unpacked, with any of the features in any order."""
    setting = make_setting(make_rule(1, 10, user="me", theme="dark"))
    context = {"theme": "dark", "user": "me", "environment": "dev"}
    assert 10 == setting.get(**context)


def test_subclass():
    """A subclass may override get, and call the one that it overrides."""

    class Doubled(Setting[int]):
        def get(self, /, **contexts: str) -> int:
            return 2 * super().get(**contexts)

    setting = Doubled("size", int, FEATURES, 0)
    switch(setting, make_rule(1, 10, user="me"))
    assert 20 == setting.get(user="me")
    with pytest.raises(UnknownFeatureError):
        setting.get(color="red")


def test_mock():
    """A test may replace the get of one setting, and then has the old one back."""
    setting = make_setting(make_rule(1, 10, user="me"))
    with mock.patch.object(setting, "get", return_value=7) as replaced:
        switch(setting, make_rule(1, 11, user="me"))
        assert 7 == setting.get(user="me")
    replaced.assert_called_once_with(user="me")
    assert 11 == setting.get(user="me")


def test_mock_of_all_settings():
    """A test may replace the get of all settings, also of those that there are already."""
    setting = make_setting(make_rule(1, 10, user="me"))
    with mock.patch.object(Setting, "get", return_value=7) as replaced:
        assert 7 == setting.get(user="me")
    replaced.assert_called_once_with(user="me")
    assert 10 == setting.get(user="me")


def test_signature():
    """An editor and help() show the setting's own features."""
    setting = make_setting()
    assert [*FEATURES, "contexts"] == list(inspect.signature(setting.get).parameters)
    assert "environment=None" in pydoc.render_doc(setting.get)
    assert "Return the setting's value" in pydoc.render_doc(Setting)


def test_defaults_that_come_and_go():
    """What the client has a constant default for can change; a call sees the defaults and the rules of one moment."""
    bare, constant, variable = (ClientContext(FEATURES) for _ in range(3))
    constant.set_defaults({"user": "me", "environment": "dev"})
    variable.set_defaults({"user": ContextVar("user", default="you"), "environment": "prod"})
    rules = [make_rule(1, 1, user="me", environment="dev"), make_rule(2, 2, user="you", environment="prod")]
    setting = make_setting(*rules, context=constant)
    get = setting.get
    assert "environment='dev'" in pydoc.render_doc(get)
    for _ in range(2):
        assert 1 == get()
        switch(setting, *rules, context=variable)
        assert 2 == get()
        switch(setting, *rules, context=bare)
        with pytest.raises(MissingContextError):
            get()
        switch(setting, *rules, context=constant)


def test_nothing_is_left_of_an_old_evaluation():
    """Code and evaluation do not hold each other: an update that was replaced is gone at once."""
    setting = make_setting(make_rule(1, 10, user="me"))
    # The setting (twice), its function, the constants of both codes, this variable, and the argument of the call.
    evaluation = setting._evaluation
    assert sys.getrefcount(evaluation) == 7
    switch(setting)
    assert sys.getrefcount(evaluation) == 2


def test_readers_during_updates():
    """A reader sees the rules before an update or those after it, never a mixture, which would answer the default."""
    setting = make_setting(make_rule(1, 1, user="me"))
    updates = [
        [make_rule(1, 1, user="me")],
        [make_rule(2, 2, environment="dev", user="me"), make_rule(3, 3, theme="x")],
    ]
    is_over = threading.Event()
    answers: set[int] = set()

    def read(get: Callable[..., int]) -> None:
        while not is_over.is_set():
            answers.add(get(environment="dev", user="me", theme="dark"))

    readers = [threading.Thread(target=read, args=(setting.get,)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(2000):
        switch(setting, *updates[number % 2])
    for number in range(2):
        # A busy machine may not have let anybody read in between.
        switch(setting, *updates[number])
        assert wait_until(lambda: number + 1 in answers)  # noqa: B023 - called at once
    is_over.set()
    for reader in readers:
        reader.join()
    assert {1, 2} == answers


def test_no_reader_goes_back():
    """However often first reads end while updates arrive, what was read is never followed by what was there before."""
    setting = make_setting()
    is_over = threading.Event()
    problems: list[tuple[int, int]] = []

    def read(get: Callable[..., int]) -> None:
        last = 0
        while not is_over.is_set():
            value = get(user="me")
            if value < last:
                problems.append((last, value))
            last = value

    readers = [threading.Thread(target=read, args=(setting.get,)) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 600):
        switch(setting, make_rule(1, number, user="me"))
        # So that some of the updates come while first reads end, and others after that.
        for _ in range(number % (2 * FIRST_READS)):
            setting.get(user="me")
    is_over.set()
    for reader in readers:
        reader.join()
    assert ([], 599) == (problems, setting.get(user="me"))


def test_readers_while_defaults_change():
    """A reader sees the old defaults with the old rules or the new ones with the new, never one of each."""
    first, second = ClientContext(FEATURES), ClientContext(FEATURES)
    first.set_defaults({"environment": "dev", "user": "me"})
    second.set_defaults({"environment": "prod", "theme": "dark"})
    setting = make_setting()
    switches = [
        lambda: switch(setting, make_rule(1, 1, environment="dev", user="me"), context=first),
        lambda: switch(setting, make_rule(2, 2, environment="prod", theme="dark"), context=second),
    ]
    switches[0]()
    is_over = threading.Event()
    answers: set[int] = set()

    def read(get: Callable[..., int]) -> None:
        while not is_over.is_set():
            answers.add(get())

    readers = [threading.Thread(target=read, args=(setting.get,)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(2000):
        switches[number % 2]()
    for number in range(2):
        switches[number]()
        assert wait_until(lambda: number + 1 in answers)  # noqa: B023 - called at once
    is_over.set()
    for reader in readers:
        reader.join()
    assert {1, 2} == answers
