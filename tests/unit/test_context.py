"""What a client knows about contexts: defaults, tracked values, and reads of what is not tracked."""

import logging
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from heksher import TRACK_ALL
from heksher.context import ClientContext
from heksher.exceptions import InvalidContextError, TrackingConflictError


@pytest.fixture
def context() -> ClientContext:
    return ClientContext(("environment", "user", "theme"))


def test_features_are_kept() -> None:
    """Features keep their order; what they were given in may change afterwards."""
    names = ["b", "a"]
    context = ClientContext(names)
    names.clear()
    assert context.features == ("b", "a")


def test_track_all_is_what_a_query_says() -> None:
    """Programs write it themselves, keep it in files, or compare with it."""
    assert TRACK_ALL == "*"


# ---- defaults


def test_default(context: ClientContext) -> None:
    """A default completes a context that lacks the feature, and gives way to one that has it."""
    context.set_defaults({"environment": "dev"})
    assert context.complete({}) == {"environment": "dev"}
    assert context.complete({"environment": "prod", "user": "me"}) == {"environment": "prod", "user": "me"}


def test_complete_leaves_its_argument_as_it_is(context: ClientContext) -> None:
    """The mapping that is completed stays the caller's."""
    context.set_defaults({"environment": "dev"})
    given = {"user": "me"}
    context.complete(given)
    assert given == {"user": "me"}


def test_defaults_add_up(context: ClientContext) -> None:
    """Each call adds to the defaults."""
    context.set_defaults({"environment": "dev"})
    context.set_defaults({"user": "me", "theme": "dark"})
    assert context.complete({}) == {"environment": "dev", "user": "me", "theme": "dark"}


def test_variable_is_looked_up_at_each_read(context: ClientContext) -> None:
    """A ContextVar stands for the value that it has where the read happens."""
    variable: ContextVar[str] = ContextVar("theme")
    context.set_defaults({"theme": variable})

    def read_with(value: str) -> dict[str, str]:
        variable.set(value)
        return context.complete({})

    assert copy_context().run(read_with, "dark") == {"theme": "dark"}
    assert copy_context().run(read_with, "blue") == {"theme": "blue"}
    assert context.complete({}) == {}


def test_variable_with_a_default_of_its_own(context: ClientContext) -> None:
    """A ContextVar that was created with a default has that value until it is set."""
    context.set_defaults({"theme": ContextVar("theme", default="bright")})
    assert context.complete({}) == {"theme": "bright"}


def test_variable_that_is_none(context: ClientContext) -> None:
    """A ContextVar whose value is None counts as no default."""
    variable: ContextVar[Any] = ContextVar("theme", default=None)
    context.set_defaults({"theme": variable})
    assert context.complete({}) == {}


def test_second_default(context: ClientContext) -> None:
    """A second default for a feature is an error, which names the first."""
    context.set_defaults({"environment": "dev"})
    with pytest.raises(InvalidContextError, match="'environment' already has the default 'dev'"):
        context.set_defaults({"environment": "prod"})


@pytest.mark.parametrize("default", [None, 1, ["dev"], object])
def test_default_of_another_type(context: ClientContext, default: Any) -> None:
    """A default that is neither a string nor a ContextVar is a TypeError that names the feature and the value."""
    with pytest.raises(TypeError) as raised:
        context.set_defaults({"environment": default})
    expected = f"the default of context feature 'environment' must be a str or a ContextVar, not {default!r}"
    assert expected == str(raised.value)


def test_all_defaults_or_none(context: ClientContext) -> None:
    """When one default cannot be used, none of the call is."""
    context.set_defaults({"environment": "dev"})
    for wrong in ({"user": "me", "environment": "prod"}, {"user": "me", "theme": 1}):
        with pytest.raises((TypeError, ValueError)):
            context.set_defaults(wrong)  # type: ignore[arg-type]  # what must fail
    assert context.complete({}) == {"environment": "dev"}


def test_default_for_an_unknown_feature(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """A default for features that the client does not know is one warning, and is used."""
    context.set_defaults({"planet": "mars", "user": "me", "moon": "deimos"})
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "WARNING",
            (
                "context features are not specified in the client: moon, planet;"
                " this client has: environment, user, theme"
            ),
        )
    ]
    assert context.complete({})["planet"] == "mars"


def test_context_that_takes_any_feature(caplog: pytest.LogCaptureFixture) -> None:
    """Without a service, as under a stub client, no feature is unknown."""
    context = ClientContext((), takes_any=True)
    context.set_defaults({"planet": "mars"})
    context.track({"planet": "mars"})
    assert caplog.records == []


# ---- tracked values


@pytest.mark.trap(14)
def test_nothing_said_of_tracking(context: ClientContext) -> None:
    """Before the first call everything is tracked; a call without features tracks nothing."""
    assert context.tracked is None
    context.track({})
    assert context.tracked == {}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("dark", {"dark"}),
        (["dark", "blue", "dark"], {"dark", "blue"}),
        (("dark",), {"dark"}),
        ({"dark": 1}, {"dark"}),
        (TRACK_ALL, None),
        ("*", None),
        ("alice@example.com", {"alice@example.com"}),
        (["eu-west-1", "café", "two words"], {"eu-west-1", "café", "two words"}),
        ("x" * 300, {"x" * 300}),
    ],
)
def test_track(context: ClientContext, values: Any, expected: set[str] | None) -> None:
    """Values are a string (one value, not its letters), any collection of strings, or all."""
    context.track({"theme": values})
    assert context.tracked == {"theme": expected}


def test_tracked_values_may_be_an_iterator(context: ClientContext) -> None:
    """Values that can be read only once are read once."""

    def values() -> Iterator[str]:
        yield from ("dark", "blue")

    context.track({"theme": values()})  # type: ignore[dict-item]  # more than is promised
    assert context.tracked == {"theme": frozenset({"dark", "blue"})}


def test_tracked_values_add_up(context: ClientContext) -> None:
    """Calls add to the values of a feature; TRACK_ALL may be repeated."""
    for values in ("dark", ["blue"]):
        context.track({"theme": values, "user": TRACK_ALL})
    assert context.tracked == {"theme": frozenset({"dark", "blue"}), "user": None}


@pytest.mark.parametrize(("first", "second"), [(TRACK_ALL, "dark"), ("dark", TRACK_ALL)])
def test_all_and_some(context: ClientContext, first: Any, second: Any) -> None:
    """TRACK_ALL and single values for one feature contradict each other, in either order."""
    context.track({"theme": first})
    before = context.tracked
    with pytest.raises(TrackingConflictError, match=r"'theme' is tracked both as a whole \(TRACK_ALL\) and by single"):
        context.track({"user": "me", "theme": second})
    assert context.tracked is before


@pytest.mark.trap(15)
@pytest.mark.parametrize("values", [[], (), {}, frozenset()])
def test_nothing_to_track(context: ClientContext, values: Any) -> None:
    """An empty collection is refused, as every query would be with it."""
    with pytest.raises(InvalidContextError, match="nothing to track for context feature 'theme': name at least one"):
        context.track({"theme": values})
    assert context.tracked is None


@pytest.mark.trap(15)
@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "it is empty"),
        ("dark\n", "it has a control character, U+000A"),
        (" dark", "it begins or ends with white space"),
        ("*dark", "it begins with *, which stands for every value"),
        ("<none>", "it stands for no value"),
    ],
)
def test_value_that_no_rule_can_have(context: ClientContext, value: str, fault: str) -> None:
    """A value that no service takes is refused; the error says why."""
    with pytest.raises(InvalidContextError) as raised:
        context.track({"theme": ["dark", value]})
    assert f"context feature 'theme' cannot have the value {value!r}: {fault}" == str(raised.value)
    assert context.tracked is None


@pytest.mark.parametrize("value", ["größe", "a-b", "dark blue", "*"])
def test_value_that_the_service_does_not_take(context: ClientContext, value: str) -> None:
    """Where the service is known to take plain values only, others are refused at the call, and nothing changes."""
    context.track({"theme": ["dark"], "user": value})
    before = context.tracked
    with pytest.raises(InvalidContextError) as raised:
        context.track({"environment": "dev", "theme": ["blue", value]}, plain_only=True)
    expected = (
        f"context feature 'theme' cannot have the value {value!r}: this service takes only A-Z, a-z, 0-9 and _ in a"
        " value (it does not announce any-values)"
    )
    assert (expected, before) == (str(raised.value), context.tracked)


def test_star_inside_a_collection(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """Inside a collection a star is a value, which no rule has: a warning says how to track every value."""
    context.track({"theme": ["*", "dark"]})
    assert context.tracked == {"theme": frozenset({"*", "dark"})}
    [record] = caplog.records
    assert record.getMessage() == (
        "the value '*' of context feature theme is tracked, which no rule can have; to track every value, give"
        " TRACK_ALL by itself"
    )


@pytest.mark.trap(15)
@pytest.mark.parametrize("feature", ["", "größe", "a:b"])
@pytest.mark.parametrize("values", ["dark", TRACK_ALL])
def test_feature_that_no_service_can_have(context: ClientContext, feature: str, values: Any) -> None:
    """A feature that a query cannot carry is refused, too."""
    with pytest.raises(InvalidContextError, match=f"no context feature can have the name '{feature}'"):
        context.track({feature: values})


@pytest.mark.parametrize("values", [1, None, [1], [None], [["dark"]]])
def test_tracked_value_of_another_type(context: ClientContext, values: Any) -> None:
    """Anything but strings is a TypeError."""
    with pytest.raises(TypeError):
        context.track({"theme": values})


def test_tracking_of_an_unknown_feature(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """A feature that the client does not know is a warning, and is tracked."""
    context.track({"planet": "mars"})
    [record] = caplog.records
    assert record.getMessage().startswith("context features are not specified in server: planet; this client has: ")
    assert context.tracked == {"planet": frozenset({"mars"})}


# ---- reads of what is not tracked


def read(context: ClientContext, **values: str) -> None:
    context.note_untracked("color", ("user", "theme"), values)


def test_read_without_tracking(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """As long as everything is tracked, there is nothing to say."""
    read(context, theme="dark")
    assert (caplog.records, context.untracked_reads) == ([], {})


def test_read_of_what_is_tracked(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """Reads with tracked values, or without a value, or with features of other settings, are no news."""
    context.track({"theme": ["dark", "blue"], "user": TRACK_ALL})
    read(context, theme="dark", user="anyone", environment="dev")
    read(context)
    assert (caplog.records, context.untracked_reads) == ([], {})


@pytest.mark.trap(27)
def test_read_of_what_is_not_tracked(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """The first read with an untracked value is a warning, for each setting and feature; all are counted."""
    context.track({"theme": "dark"})
    for theme in ("pink", "green", "dark", "pink"):
        read(context, theme=theme, user="me")
    context.note_untracked("size", ("user",), {"user": "me"})
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        f"context feature value is not tracked by client: {read}"
        for read in (
            "setting color is read with user='me'",
            "setting color is read with theme='pink'",
            "setting size is read with user='me'",
        )
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert context.untracked_reads == {("color", "user"): 4, ("color", "theme"): 3, ("size", "user"): 1}


def test_warning_says_what_to_do(context: ClientContext, caplog: pytest.LogCaptureFixture) -> None:
    """The warning says what it means, what to do, and where to look; it carries its parts for structured logs."""
    context.track({"theme": "dark"})
    read(context, theme="pink")
    [record] = caplog.records
    assert record.getMessage() == (
        "context feature value is not tracked by client: setting color is read with theme='pink', for which no rules"
        " are fetched; add it with track_contexts (more such reads are only counted, in untracked_reads)"
    )
    carried = [record.__dict__[key] for key in ("setting", "context_feature", "value", "context_feature_value")]
    assert carried == ["color", "theme", "pink", "pink"]
