"""Changes of a setting: what is one, who is told of it, and what it says."""

import asyncio
import json
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from enum import Enum
from typing import Any

import pytest

from heksher.change_base import restrict
from heksher.changes import Change, Changes
from heksher.context import ClientContext, ContextDefault
from heksher.evaluation import Evaluation
from heksher.exceptions import MissingContextError, UnknownFeatureError
from heksher.rule_set import Rule, RuleSet
from heksher.setting import Setting
from heksher.subscription import Subscription
from tests.support.collector import without_collector

DEADLINE_S = 10.0
CONTEXTS: list[Mapping[str, str] | None] = [None, {"a": "x"}]


def make_setting() -> Setting[int]:
    return Setting("size", int, ["a", "b"], 0)


def on(value: int, **conditions: str) -> Rule[int]:
    """Make a rule."""
    return Rule(1, tuple(conditions.items()), value)


def publish(setting: Setting[int], default: int, *rules: Rule[int], **defaults: ContextDefault) -> None:
    """Do what a client does when an update has come."""
    context = ClientContext(("a", "b"))
    context.set_defaults(defaults)
    features = setting.configurable_features
    before, after = (
        setting._evaluation,
        Evaluation(RuleSet(setting.name, rules, features), default, "server default", context, features),
    )
    setting._switch_to(after.compile())
    if setting._subscribers is not None:
        setting._subscribers.notify(Change(setting=setting, before=before, after=after))


def collect(
    setting: Setting[int], contexts: Mapping[str, str] | None = None, **given: str
) -> tuple[Subscription, list[tuple[int, int]]]:
    """Have the values before and after each change collected, in the contexts given."""
    values: list[tuple[int, int]] = []
    subscription = setting.on_change(
        lambda change: values.append((change.before(**given), change.after(**given))), contexts
    )
    return subscription, values


# ---- subscribing


def test_setting_without_subscribers() -> None:
    """A setting that nobody subscribed to has nothing for it."""
    setting = make_setting()
    assert setting._subscribers is None
    assert "_subscribers" not in vars(setting)


@pytest.mark.parametrize("contexts", CONTEXTS, ids=repr)
def test_change_is_told_once(contexts: Mapping[str, str] | None) -> None:
    """A change is told with the values before and after; what is no change is not told."""
    setting = make_setting()
    _, values = collect(setting, contexts)
    for default in (1, 1, 2):
        publish(setting, default)
    assert [(0, 1), (1, 2)] == values


@pytest.mark.parametrize("contexts", CONTEXTS, ids=repr)
def test_after_the_end_nothing_is_told(contexts: Mapping[str, str] | None) -> None:
    """A subscription can be cancelled."""
    setting = make_setting()
    subscription, values = collect(setting, contexts)
    publish(setting, 1)
    subscription.cancel()
    publish(setting, 2)
    assert [(0, 1)] == values


def test_subscribers_do_not_know_each_other() -> None:
    """Of two subscribers, each is told what it subscribed to; the change of one says nothing of the other's context."""
    setting = make_setting()
    told = {
        name: collect(setting, contexts, a=name)[1]
        for name, contexts in {"x": {"a": "x"}, "y": {"a": "y"}, "z": None}.items()
    }
    publish(setting, 0, on(1, a="x"))
    publish(setting, 0, on(1, a="x"), on(2, a="y"))
    assert {"x": [(0, 1)], "y": [(0, 2)], "z": [(0, 0), (0, 0)]} == told


def test_any_context() -> None:
    """Without a context, each change of any rule is told, also where a read without context is no longer possible."""
    setting = make_setting()
    _, values = collect(setting, None, a="x", b="y")
    publish(setting, 0, on(1, a="x"))
    publish(setting, 0, on(1, a="x"), on(2, a="x", b="y"))
    publish(setting, 0, on(1, a="x"), on(2, a="x", b="y"), on(2, b="y", a="z"))
    assert [(0, 1), (1, 2), (2, 2)] == values


def test_same_rules_are_no_change() -> None:
    """Rules with other numbers and in another order are no change; a value of another type is one."""
    setting = make_setting()
    _, values = collect(setting, None, a="x", b="y")
    publish(setting, 1, on(1, a="x"), on(2, b="y"))
    publish(setting, 1, Rule(7, (("b", "y"),), 2), Rule(8, (("a", "x"),), 1))
    assert [(0, 2)] == values
    publish(setting, True, on(1, a="x"), on(2, b="y"))
    assert 2 == len(values)


def test_value_of_another_type() -> None:
    """In a context, too, 1 and True are two values."""
    setting = make_setting()
    _, values = collect(setting, {})
    publish(setting, 1)
    publish(setting, True)
    assert [(0, 1), (1, True)] == values


def test_context_is_completed_with_the_defaults() -> None:
    """What the subscription does not name comes from the client's defaults."""
    setting = make_setting()
    _, values = collect(setting, {"a": "x"})
    publish(setting, 0, on(1, a="x", b="y"), b="y")
    publish(setting, 0, on(2, a="x", b="z"), on(1, a="x", b="y"), b="y")
    assert [(0, 1)] == values


def test_context_is_that_of_the_subscription() -> None:
    """Later changes of the mapping do not matter."""
    setting = make_setting()
    contexts = {"a": "x"}
    _, values = collect(setting, contexts)
    contexts["a"] = "y"
    publish(setting, 0, on(1, a="x"))
    assert [(0, 1)] == values


def test_context_without_a_value() -> None:
    """Going from a value to none, for want of a feature, is not told, nor is the way back; others are not disturbed."""
    setting = make_setting()
    told = [collect(setting, contexts)[1] for contexts in ({"a": "x"}, {"a": "x", "b": "y"})]
    publish(setting, 1, on(5, b="z"))
    publish(setting, 2, on(5, b="z"))
    publish(setting, 3)
    publish(setting, 4)
    assert [[(3, 4)], [(0, 1), (1, 2), (2, 3), (3, 4)]] == told


@pytest.mark.parametrize("name", ["on_change", "changes"])
def test_unknown_feature(name: str) -> None:
    """A context that no read could name is refused at once."""
    setting = make_setting()
    arguments: list[Any] = [print] if name == "on_change" else []
    with pytest.raises(UnknownFeatureError) as raised:
        getattr(setting, name)(*arguments, {"planet": "mars", "a": "x"})
    assert str(raised.value) == "setting 'size' is not configurable by planet; its features are a, b"
    with pytest.raises(UnknownFeatureError, match=str(raised.value)):
        setting.get(planet="mars")
    assert setting._subscribers is None


def test_restricted_context() -> None:
    """For a setting, what it is not configurable by can be left out of a context."""
    setting = make_setting()
    assert [None, {}, {"a": "x"}] == [
        restrict(contexts, setting) for contexts in (None, {"c": "z"}, {"c": "z", "a": "x"})
    ]


# ---- what a change says


def get_change(
    change: Callable[[Setting[int]], None],
    contexts: Mapping[str, str] | None = None,
    setting: Setting[int] | None = None,
) -> Change[int]:
    """Return what a subscriber is told of a change."""
    setting = setting or make_setting()
    changes: list[Change[int]] = []
    setting.on_change(changes.append, contexts)
    change(setting)
    [told] = changes
    assert told.setting is setting
    return told


def test_change_in_any_context() -> None:
    """A change tells the values before and after in any context, whatever the setting answers by now."""
    setting = make_setting()
    change = get_change(lambda setting: publish(setting, 1, on(2, a="x")), None, setting)
    publish(setting, 3)
    assert [0, 1, 0, 2] == [change.before(), change.after(a="y"), change.before(a="x"), change.after(a="x")]
    with pytest.raises(MissingContextError):
        change.after()
    for ask in (change.before, change.after):
        with pytest.raises(UnknownFeatureError):
            ask(planet="mars")


def test_change_in_a_context() -> None:
    """The context of the subscription is completed by what is asked for; what is asked for goes before it."""
    change = get_change(lambda setting: publish(setting, 1, on(2, a="x", b="y"), on(3, a="z"), b=""), {"a": "x"})
    assert [1, 2, 3] == [change.after(), change.after(b="y"), change.after(a="z")]


def test_features_with_names_of_parameters() -> None:
    """A feature may be called self."""
    setting = Setting("size", int, ["self", "contexts"], 3)
    change = Change(setting=setting, before=setting._evaluation, after=setting._evaluation)
    assert [3, 3] == [change.before(self="x"), change.after(self="x", contexts="y")]


def test_repr() -> None:
    """A change shows what has changed: in a context the values, else the default and the number of rules."""
    change = get_change(lambda setting: publish(setting, 1, on(2, a="x"), b="y"))
    assert "<Change of size: 0 and 0 rules -> 1 and 1 rules>" == repr(change)
    change = get_change(lambda setting: publish(setting, 1, on(2, a="x")), {"a": "x", "b": "y"})
    assert "<Change of size for a=x, b=y: 0 -> 2>" == repr(change)


def test_repr_without_a_value() -> None:
    """A change can be shown where a context variable is no longer set."""
    variable: ContextVar[str] = ContextVar("b")
    token = variable.set("y")
    change = get_change(lambda setting: publish(setting, 1, on(2, a="x", b="y"), b=variable), {"a": "x"})
    assert "<Change of size for a=x: 0 -> 2>" == repr(change)
    variable.reset(token)
    assert "<Change of size for a=x: 0 -> (no value)>" == repr(change)


def test_repr_in_the_empty_context() -> None:
    """A context without a feature is a context, too: that of a read without arguments."""
    change = get_change(lambda setting: publish(setting, 1), {})
    assert "<Change of size for the empty context: 0 -> 1>" == repr(change)


# ---- as JSON


class Color(Enum):
    RED = "red"
    BLUE = "blue"


def test_json_of_a_change_in_any_context() -> None:
    """Without a context there are no two values to tell."""
    change = get_change(lambda setting: publish(setting, 1))
    assert {"setting": "size", "contexts": None} == json.loads(json.dumps(change.as_dict()))


def test_json_of_a_change_in_a_context() -> None:
    """In a context there are; members of an enum are their values."""
    setting = Setting("color", Color, ["a"], Color.RED)
    change = Change(setting=setting, before=setting._evaluation, after=setting._evaluation, contexts={"a": "x"})
    assert "red" == change.as_dict()["after"]
    change = get_change(lambda setting: publish(setting, 1), {})
    expected = {"setting": "size", "contexts": {}, "before": 0, "after": 1}
    assert expected == json.loads(json.dumps(change.as_dict()))


def test_json_without_a_value() -> None:
    """A value that is not known any more is null."""
    variable: ContextVar[str] = ContextVar("b")
    token = variable.set("y")
    change = get_change(lambda setting: publish(setting, 1, on(2, a="x", b="y"), b=variable), {"a": "x"})
    variable.reset(token)
    assert {"setting": "size", "contexts": {"a": "x"}, "before": 0, "after": None} == change.as_dict()


def test_change_is_frozen() -> None:
    """A change is made by keywords and cannot be changed; it can be a key, whatever values it is about."""
    setting = make_setting()
    change = Change(setting=setting, before=setting._evaluation, after=setting._evaluation, contexts={"a": "x"})
    with pytest.raises(AttributeError, match="property 'contexts'"):
        change.contexts = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        Change(setting, setting._evaluation, setting._evaluation)  # type: ignore[misc]
    assert {change: 1}[change]


# ---- lifetime


@pytest.mark.parametrize("weak", [False, True])
def test_setting_with_subscribers_dies_at_once(weak: bool) -> None:
    """Neither subscriptions nor callbacks keep a setting alive, if they do not refer to it."""
    with without_collector():
        setting = make_setting()
        values: list[Change[int]] = []

        def note(change: Change[int]) -> None:
            values.append(change)

        subscriptions = [setting.on_change(note, contexts, weak=weak) for contexts in CONTEXTS]
        publish(setting, 1)
        assert 2 == len(values)
        values.clear()
        reference = weakref.ref(setting)
        del setting
        assert reference() is None
        assert [False, False] == [subscription.is_active for subscription in subscriptions]


def test_weak_subscription() -> None:
    """A callback that is held weakly goes with its object."""

    class Cache:
        def __init__(self) -> None:
            self.size = 0

        def resize(self, change: Change[int]) -> None:
            self.size = change.after()

    setting = make_setting()
    cache = Cache()
    subscription = setting.on_change(cache.resize, weak=True)
    publish(setting, 7)
    assert 7 == cache.size
    del cache
    assert not subscription.is_active


def test_first_subscribers_of_many_threads() -> None:
    """Threads that are the first to subscribe at the same moment are all told."""
    for _ in range(20):
        setting = make_setting()
        values: list[int] = []
        subscribe_in_threads(setting, lambda change, values=values: values.append(change.after()), 4)
        publish(setting, 1)
        assert [1] * 4 == values


def subscribe_in_threads(setting: Setting[int], callback: Callable[..., object], count: int) -> None:
    """Have several threads subscribe a callback, all at once."""
    barrier = threading.Barrier(count)

    def subscribe() -> None:
        barrier.wait(DEADLINE_S)
        setting.on_change(callback)

    threads = [threading.Thread(target=subscribe) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)


# ---- async for


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, but not for ever."""

    async def run_in_time() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await coroutine

    asyncio.run(run_in_time())


async def let_run() -> None:
    """Have all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def take(changes: Changes[int], **contexts: str) -> tuple[int, int]:
    """Take the next change: its values."""
    change = await anext(changes)
    return change.before(**contexts), change.after(**contexts)


async def is_waiting(changes: Changes[int]) -> bool:
    """Return whether there is no change to be taken; ends the iteration."""
    task = asyncio.create_task(take(changes))
    await let_run()
    is_waiting = not task.done()
    task.cancel()
    await asyncio.wait([task])
    return is_waiting


def test_loop_over_changes() -> None:
    """A loop that waits is woken by each change; leaving it ends the subscription at once."""

    async def follow() -> None:
        setting = make_setting()
        values = []
        loop = asyncio.get_running_loop()
        loop.call_soon(publish, setting, 1)
        async for change in setting.changes():
            values.append((change.before(), change.after()))
            if change.after() == 3:
                break
            loop.call_soon(publish, setting, change.after() + 1)
        assert [(0, 1), (1, 2), (2, 3)] == values
        assert setting._subscribers is not None
        del change
        assert [] == setting._subscribers.members()

    run(follow())


def test_changes_begin_with_the_call() -> None:
    """Nothing is missed between the call of changes() and the loop, which may begin on a loop that starts later."""
    setting = make_setting()
    publish(setting, 1)
    changes = setting.changes()
    publish(setting, 2)

    async def follow() -> None:
        assert (1, 2) == await take(changes)
        assert await is_waiting(changes)

    run(follow())


def test_slow_loop() -> None:
    """Who is slow gets one change, from the oldest value to the newest."""

    async def follow() -> None:
        setting = make_setting()
        changes = setting.changes()
        for default in (1, 2, 3):
            publish(setting, default)
        assert (0, 3) == await take(changes)
        for default in (4, 5):
            publish(setting, default)
        assert (3, 5) == await take(changes)

    run(follow())


def test_way_and_back() -> None:
    """Changes that come to nothing until they are taken are left out, and what comes later is told."""

    async def follow() -> None:
        setting = make_setting()
        changes = setting.changes()
        publish(setting, 1)
        publish(setting, 0)
        task = asyncio.create_task(take(changes))
        await let_run()
        assert not task.done()
        publish(setting, 0, on(1, a="x"))
        publish(setting, 0)
        await let_run()
        assert not task.done()
        publish(setting, 2)
        assert (0, 2) == await task

    run(follow())


def test_loop_in_a_context() -> None:
    """With a context, only changes of its value are taken, also from several changes at once."""

    async def follow() -> None:
        setting = make_setting()
        changes = setting.changes({"a": "x"})
        publish(setting, 0, on(1, a="y"))
        task = asyncio.create_task(take(changes))
        await let_run()
        assert not task.done()
        publish(setting, 0, on(1, a="y"), on(2, a="x"))
        publish(setting, 0, on(2, a="x"))
        assert (0, 2) == await task

    run(follow())


def test_two_loops_over_one_setting() -> None:
    """Each iteration has changes of its own."""

    async def follow() -> None:
        setting = make_setting()
        first, second = setting.changes(), setting.changes()
        publish(setting, 1)
        assert (0, 1) == await take(first)
        publish(setting, 2)
        assert [(1, 2), (0, 2)] == [await take(first), await take(second)]

    run(follow())


def test_changes_of_another_thread() -> None:
    """A thread that publishes wakes the loop; whatever the timing, the last value is never missed."""

    async def follow() -> None:
        setting = make_setting()
        changes = setting.changes()
        thread = threading.Thread(target=lambda: [publish(setting, default) for default in range(1, 2001)])
        thread.start()
        value = 0
        async for change in changes:
            assert change.before() == value
            value = change.after()
            if value == 2000:
                break
        thread.join(DEADLINE_S)

    run(follow())


def test_closing() -> None:
    """After aclose() there is no change any more, for a task that waits too; closing again does nothing."""

    async def follow() -> None:
        setting = make_setting()
        async with aclosing(setting.changes()) as changes:
            task = asyncio.create_task(take(changes))
            await let_run()
        with pytest.raises(StopAsyncIteration):
            await task
        publish(setting, 1)
        with pytest.raises(StopAsyncIteration):
            await anext(changes)
        await changes.aclose()
        assert setting._subscribers is not None
        assert [] == setting._subscribers.members()

    run(follow())


def test_cancellation() -> None:
    """A task that is cancelled while it waits ends the iteration, as with an asynchronous generator."""

    async def follow() -> None:
        setting = make_setting()
        changes = setting.changes()
        assert await is_waiting(changes)
        assert setting._subscribers is not None
        assert [] == setting._subscribers.members()
        with pytest.raises(StopAsyncIteration):
            await anext(changes)

    run(follow())


def test_second_waiter() -> None:
    """Two tasks cannot wait for one change; the first one goes on waiting."""

    async def follow() -> None:
        setting = make_setting()
        changes = setting.changes()
        task = asyncio.create_task(take(changes))
        await let_run()
        with pytest.raises(RuntimeError, match="another task waits"):
            await anext(changes)
        publish(setting, 1)
        assert (0, 1) == await task

    run(follow())


def test_closed_loop() -> None:
    """A loop that was closed while a task waited does not disturb who publishes, nor other subscribers."""
    setting = make_setting()
    changes = setting.changes()
    loop = asyncio.new_event_loop()
    waiting = anext(changes)
    loop.call_soon(lambda: waiting.__await__().send(None))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    _, values = collect(setting)
    for default in (1, 2):
        publish(setting, default)
    assert [(0, 1), (1, 2)] == values


def test_iterator_that_is_dropped() -> None:
    """An iterator that was never used ends at once when it is dropped, and its setting with it."""
    with without_collector():
        setting = make_setting()
        changes = setting.changes()
        publish(setting, 1)
        assert changes is aiter(changes)
        assert setting._subscribers is not None
        del changes
        assert [] == setting._subscribers.members()
        reference = weakref.ref(setting)
        del setting
        assert reference() is None
