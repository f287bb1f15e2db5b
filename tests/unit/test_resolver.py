"""Compiling what a setting answers: names that are no Python, defaults of every kind, references that stay live."""

import inspect
import pydoc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from types import CodeType
from unittest import mock

import pytest

from heksher import resolver
from heksher.context import TRACK_ALL, ClientContext
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError, UnknownFeatureError
from heksher.resolver import Block, Shape, show_source
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
        "    if f1 is ...: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    if f2 is ...:\n"
        "        try: value = 'variable 2'.get()\n"
        "        except LookupError: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "        if value is None: return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "        f2 = value\n"
        "    if f2 not in 'tracked 2' and f2 is not ...:"
        " return 'slow path'.resolve_given((f0, f1, f2, ), contexts)\n"
        "    if f2 in 'guard 0':\n"
        "        if f0 in 'rules 0 0':\n"
        "            table = 'rules 0 0'[f0]\n"
        "            if f2 in table: return table[f2]\n"
        "        if f2 in 'rules 0 1': return 'rules 0 1'[f2]\n"
        "    if f1 in 'rules 1 0':\n"
        "        table = 'rules 1 0'[f1]\n"
        "        if f0 in table: return table[f0]\n"
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


@pytest.mark.parametrize("value", [None, "", 5, ("a",)])
def test_given_values_that_no_rule_has(value: object):
    """What is given counts as given, whatever it is: no default takes its place, and no rule matches it."""
    context = ClientContext(FEATURES)
    context.set_defaults({"user": "me"})
    setting = make_setting(make_rule(1, 10, user="me"), context=context)
    assert [10, 0] == [setting.get(), setting.get(user=value)]


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
    assert "environment=<not given>" in pydoc.render_doc(setting.get)
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
    # The setting (twice), its function, the code's constants, this variable, and the argument of the call.
    evaluation = setting._evaluation
    assert sys.getrefcount(evaluation) == 6
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
