"""The session as a state machine: what it asks, what it makes of the answers, and what a failure leaves.

The tests play the service (``tests.support.conversation``): plain requests and responses, no HTTP library, no threads.
"""

import gc
import logging
import math
import weakref
from collections.abc import Sequence

import pytest

from heksher.clients.conversation.exchange import Outcome
from heksher.clients.conversation.session import Session
from heksher.clients.conversation.update import Update
from heksher.context import ClientContext
from heksher.exceptions import InvalidResponseError, StatusError, TransportError
from heksher.setting import Setting
from tests.support.conversation import (
    DECLARE,
    FEATURES,
    QUERY,
    SETTINGS,
    Conversation,
    declared,
    features,
    listed,
    listing,
    not_modified,
    queried,
    respond,
    rule,
    said,
)

NO_ANSWER = TransportError("no answer")
SIZE = "GET /api/v1/settings/size"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "heksher")
    return caplog


def messages(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Take what was logged so far, as level and text."""
    records = [(record.levelname, record.getMessage()) for record in log.records]
    log.clear()
    return records


def make_setting(name: str = "size", version: str = "1.0", alias: str | None = None) -> Setting[int]:
    return Setting(name, int, ["a", "b"], 0, version=version, alias=alias)


def make_session(*settings: Setting[int]) -> Session:
    session = Session(ClientContext(("a", "b")))
    for setting in settings:
        session.register(setting)
    return session


def start(session: Session, *declarations: Outcome) -> Conversation[Update]:
    """Begin the first update, up to the query. Declarations are accepted unless their outcomes are given."""
    talk = Conversation(session.update())
    talk.play((FEATURES, features("a", "b")))
    outcomes = list(declarations)
    while DECLARE in talk.asked:
        talk.answer(*[outcomes.pop(0) if outcomes else declared() for _ in talk.requests])
    return talk


def publish(session: Session, talk: Conversation[Update], *rounds: tuple[str, Outcome]) -> Update:
    """Play an update to its end, and publish it."""
    talk.play(*rounds)
    update = talk.result()
    session.publish(update)
    return update


def bring_up(**default_values: int) -> tuple[Session, list[Setting[int]]]:
    """Make a session that has settings, whose defaults the service has changed, and an ETag."""
    settings = [make_setting(name) for name in default_values]
    session = make_session(*settings)
    publish(session, start(session), (QUERY, queried(default_values)))
    return session, settings


# ---- the feature order


def test_features_are_asked_for_once() -> None:
    """A service that announces its feature order is asked for it in the first update only."""
    session, _ = bring_up(size=1)
    assert Conversation(session.update()).asked == [QUERY]


@pytest.mark.trap(21)
def test_features_are_asked_for_where_they_are_not_announced() -> None:
    """A service that does not announce its feature order is asked for it after each new answer."""
    session, [setting] = bring_up(size=0)
    rules = said(0, rule(1, 1, a="x"), rule(2, 2, b="x"))
    for order, expected in (("ab", 2), ("ba", 1)):
        publish(
            session,
            Conversation(session.update()),
            (QUERY, queried({"size": rules}, None)),
            (FEATURES, features(*order)),
        )
        assert expected == setting.get(a="x", b="x")


@pytest.mark.trap(21)
def test_features_are_asked_for_with_each_second_answer_that_nothing_is_new() -> None:
    """An existing service is asked for its feature order with each new answer, and with each second other one."""
    session, _ = bring_up(size=0)
    publish(
        session, Conversation(session.update()), (QUERY, queried({"size": 0}, None)), (FEATURES, features("a", "b"))
    )
    for has_asked in (False, True, False, True):
        rounds = [(QUERY, not_modified(None))] + [(FEATURES, features("a", "b"))] * has_asked
        publish(session, Conversation(session.update()), *rounds)


@pytest.mark.trap(16)
def test_other_features_are_a_warning(log: pytest.LogCaptureFixture) -> None:
    """Other features than the service's, or another order, are said once; the service's order holds."""
    setting = make_setting()
    session = make_session(setting)
    talk = Conversation(session.update())
    answer = queried({"size": said(0, rule(1, 1, a="x"), rule(2, 2, b="x"))}, order=("b", "a"))
    publish(session, talk, (FEATURES, features("b", "a")), (DECLARE, declared()), (QUERY, answer))
    text = "the service has ['b', 'a'], this client ['a', 'b']; the order of the service decides"
    assert [("WARNING", f"context feature mismatch: {text}")] == messages(log)
    assert setting.get(a="x", b="x") == 1


def test_same_features_are_no_news(log: pytest.LogCaptureFixture) -> None:
    """A start without surprises logs nothing."""
    bring_up(size=1)
    assert messages(log) == []


@pytest.mark.parametrize(
    "outcome", [NO_ANSWER, respond("<html>"), respond({"context_features": "ab"}), respond({}, 500)]
)
def test_start_fails_without_features(outcome: Outcome) -> None:
    """As long as the feature order is not known, nothing else is asked, and the next update asks for it again."""
    setting = make_setting()
    session = make_session(setting)
    talk = Conversation(session.update())
    talk.play((FEATURES, outcome))
    with pytest.raises((TransportError, InvalidResponseError, StatusError)):
        talk.result()
    assert Conversation(session.update()).asked == [FEATURES]


@pytest.mark.trap(21)
@pytest.mark.parametrize("is_announced", [True, False])
def test_changed_order_without_changed_rules(is_announced: bool, log: pytest.LogCaptureFixture) -> None:
    """When nothing but the feature order has changed, the rules are fetched anew and read in the new order."""
    setting = make_setting()
    session = make_session(setting)
    rules = {"size": said(0, rule(1, 1, a="x"), rule(2, 2, b="x"))}
    publish(session, start(session), (QUERY, queried(rules)))
    # What is not announced was not asked for with the answer before.
    talk = Conversation(session.update())
    talk.play((QUERY, not_modified(("b", "a") if is_announced else None)))
    if not is_announced:
        talk.play((FEATURES, features("b", "a")))
    assert "If-None-Match" not in talk.requests[0].headers
    publish(session, talk, (QUERY, queried(rules, ("b", "a"), '"2"')))
    assert setting.get(a="x", b="x") == 1
    assert messages(log) == [
        ("INFO", "the service's context features are now ('b', 'a'), until now they were ('a', 'b')")
    ]

    # From now on the new order is nothing new.
    talk = Conversation(session.update())
    talk.play((QUERY, not_modified(("b", "a") if is_announced else None, '"2"')))
    assert () == talk.result().renewals


# ---- declarations


def make_talk(session: Session, *capabilities: str) -> Conversation[Update]:
    """Begin the first update with a service that announces what it can do, up to the declarations."""
    talk = Conversation(session.update())
    talk.play((FEATURES, features("a", "b")._replace(headers={"heksher-capabilities": ", ".join(capabilities)})))
    return talk


@pytest.mark.trap(24)
def test_declarations_go_out_side_by_side() -> None:
    """To a service that announces what it can do, settings are declared by sixteen requests at a time, each once."""
    settings = [make_setting(f"s{number}") for number in range(20)]
    session = make_session(*settings)
    talk = make_talk(session, "aliases")
    bodies = []
    for count in (16, 4):
        assert talk.asked == [DECLARE] * count
        bodies += [request.body for request in talk.requests]
        talk.answer(*[declared()] * count)
    assert [setting.to_v1_declaration_body() for setting in settings] == bodies
    assert not session.has_undeclared()
    publish(session, talk, (QUERY, queried({setting.name: 0 for setting in settings})))
    assert Conversation(session.update()).asked == [QUERY]


@pytest.mark.parametrize("order", [(15, 12, 14), (12, 15, 14), (14, 15, 12)])
def test_answers_side_by_side_tell_no_other_history(order: tuple[int, ...]) -> None:
    """They come in any order: the latest revision is demanded then, which the service need not look for."""
    settings = [make_setting(f"s{number}") for number in range(19)]
    talk = make_talk(make_session(*settings), "aliases")
    told = [declared()._replace(headers={"heksher-revision-id": f"{number}-{number:012x}"}) for number in order]
    talk.answer(*told, *[declared()] * 13)
    assert [DECLARE] * 3 == talk.asked
    assert {f"15-{15:012x}"} == {request.headers["Heksher-Min-Revision"] for request in talk.requests}


@pytest.mark.trap(39)
def test_declarations_go_to_an_existing_service_one_at_a_time() -> None:
    """A service that announces nothing has few connections to its database: no more than one request is in flight."""
    settings = [make_setting(name) for name in ("size", "color", "speed")]
    talk = Conversation(make_session(*settings).update())
    talk.play((FEATURES, features("a", "b")), *[(DECLARE, declared())] * 3)
    assert talk.asked == [QUERY]


def test_progress_is_told() -> None:
    """Each answer to declarations is told, whatever it says; none is told for a request without an answer."""
    settings = [make_setting(name) for name in ("size", "color", "speed")]
    session = make_session(*settings)
    told: list[str] = []
    with session.declarations.telling_progress(lambda: told.append("progress")):
        talk = Conversation(session.update())
        talk.play((FEATURES, features("a", "b")))
        for outcome, count in ((declared(), 1), (NO_ANSWER, 1), (respond("", 503), 2)):
            talk.answer(outcome)
            assert count == len(told)


@pytest.mark.parametrize("outcome", ["created", "uptodate", "upgraded", "some outcome of a later service"])
def test_accepted_declaration(outcome: str, log: pytest.LogCaptureFixture) -> None:
    """Whatever a service calls its 200, unless it is outdated, the setting is declared and there is nothing to say."""
    setting = make_setting()
    session = make_session(setting)
    assert start(session, declared(outcome)).asked == [QUERY]
    assert messages(log) == []


@pytest.mark.parametrize(("latest", "level"), [("1.4", "INFO"), ("2.0", "WARNING")])
def test_outdated_declaration(latest: str, level: str, log: pytest.LogCaptureFixture) -> None:
    """An outdated declaration is followed all the same; another major version is a warning."""
    setting = make_setting(version="1.2")
    session = make_session(setting)
    difference = {"level": "minor", "attribute": "default_value", "latest_value": 7}
    start(session, declared("outdated", latest_version=latest, differences=[difference]))
    began = {"INFO": "setting is outdated", "WARNING": "setting is outdated by a major version"}[level]
    versions = f"setting size is declared with the version 1.2, the service has {latest}"
    [record] = log.records
    said = (record.latest_version, record.setting_name, record.differences)  # type: ignore[attr-defined]
    assert (latest, "size", [difference]) == said
    assert [(level, f"{began}: {versions}: default changed 0 → 7")] == messages(log)


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ([], "nothing else differs"),
        ([{"level": "minor", "message": "m"}, {"level": "minor", "message": "n"}], "m; n"),
        ([{"level": "minor"}], "[{'level': 'minor'}]"),
        ({}, "{}"),
        (None, "None"),
    ],
)
def test_differences_of_an_outdated_declaration(differences: object, said: str, log: pytest.LogCaptureFixture) -> None:
    """They are said in words, also that there are none; what is not as the API promises is shown as it is."""
    setting = make_setting()
    start(make_session(setting), declared("outdated", latest_version="1.1", differences=differences))
    [(_, text)] = messages(log)
    assert f"the service has 1.1: {said}" == text.partition(", ")[2]


def test_conflict(log: pytest.LogCaptureFixture) -> None:
    """A conflict is an error in the log; the setting gets the service's values."""
    setting = make_setting()
    session = make_session(setting)
    publish(session, start(session, respond({"outcome": "mismatch"}, 409)), (QUERY, queried({"size": 4})))
    text = "conflict when declaring setting size, whose values the service goes on to decide: "
    assert [("ERROR", text + '{"outcome": "mismatch"}')] == messages(log)
    assert setting.get() == 4


@pytest.mark.trap(3)
@pytest.mark.trap(12)
@pytest.mark.parametrize(
    ("outcome", "said_of_it"),
    [
        (respond("<html>"), "was not answered with JSON"),
        (respond(["created"]), "was not answered with a JSON object: ['created']"),
        (respond("no such context feature", 404), "was answered with status 404: no such context feature"),
        (respond("", 503), "was answered with status 503: (no text)"),
        (NO_ANSWER, "no answer"),
    ],
)
def test_failed_declaration(outcome: Outcome, said_of_it: str, log: pytest.LogCaptureFixture) -> None:
    """A declaration that fails leaves its setting waiting, out of the query, and costs no other setting anything."""
    waiting, other = make_setting("size"), make_setting("color")
    session = make_session(waiting, other)
    talk = start(session, outcome, declared())
    if outcome is not NO_ANSWER:
        talk.play((SIZE, respond("", 404)))
    assert talk.requests[0].params["settings"] == "color"
    publish(session, talk, (QUERY, queried({"color": 3})))
    assert (waiting.get(), other.get()) == (0, 3)
    [(level, text)] = messages(log)
    assert level == "ERROR"
    assert text.startswith(("error when declaring setting size: ", "setting declaration failed: size: "))
    assert said_of_it in text
    assert (text,) == session.statuses()["size"].rejected

    again = Conversation(session.update())
    assert [request.body["name"] for request in again.requests if isinstance(request.body, dict)] == ["size"]
    publish(session, again, (DECLARE, declared()), (QUERY, queried({"size": 1, "color": 3})))
    assert (session.statuses()["size"].rejected, waiting.get(), messages(log)) == ((), 1, [])


def test_failed_declaration_is_tried_again_when_it_is_due() -> None:
    """An update that comes before declares nothing; one that is asked for declares whatever waits."""
    setting = make_setting()
    session = make_session(setting)
    publish(session, start(session, NO_ANSWER), (QUERY, queried({})))
    due_s = session.plan_declarations(100)
    assert 100 <= due_s <= 101
    assert [QUERY] == Conversation(session.update(due_s - 0.001)).asked
    for now_s in (due_s, math.inf):
        assert [DECLARE] == Conversation(session.update(now_s)).asked
    publish(session, Conversation(session.update()), (DECLARE, declared()), (QUERY, queried({"size": 1})))
    assert math.inf == session.plan_declarations(200)


def test_settings_that_failed_together_are_tried_again_together() -> None:
    """However many they are, one update declares them all; a refused one waits for longer."""
    settings = [make_setting(f"s{number}") for number in range(10)]
    session = make_session(*settings)
    talk = make_talk(session, "aliases")
    talk.answer(respond("", 422), *[NO_ANSWER] * 9)
    talk.play(("GET /api/v1/settings/s0", respond("", 404)))
    answer = queried({})
    headers = {**answer.headers, "heksher-capabilities": "aliases"}
    publish(session, talk, (QUERY, answer._replace(headers=headers)))
    assert [DECLARE] * 9 == Conversation(session.update(session.plan_declarations(100))).asked


def test_setting_that_is_refused_is_not_waited_for() -> None:
    """What was tried is not undeclared in the sense that another client would have to wait for it."""
    setting = make_setting()
    session = make_session(setting)
    assert session.has_undeclared()
    publish(session, start(session, NO_ANSWER), (QUERY, queried({})))
    assert not session.has_undeclared()


@pytest.mark.trap(4)
def test_setting_that_is_refused_and_there() -> None:
    """A setting whose declaration fails is looked for, by either of its names, and asked for under that one."""
    setting, renamed = make_setting(), make_setting("tint", alias="color")
    session = make_session(setting, renamed)
    talk = start(session, respond("", 503), respond("", 503))
    talk.play((SIZE, respond(listed("size"))), ("GET /api/v1/settings/tint", respond("", 404)))
    talk.play(("GET /api/v1/settings/color", respond(listed("color"))))
    publish(session, talk, (QUERY, queried({"size": 4, "color": 5})))
    assert (setting.get(), renamed.get()) == (4, 5)
    assert not session.statuses()["size"].is_declared


@pytest.mark.trap(4)
def test_many_settings_that_are_refused() -> None:
    """Which of many settings are there, the list of all says; without it none of them is asked for."""
    settings = [make_setting(f"s{number}") for number in range(20)]
    for answer, names in ((listing(listed("s1"), listed("other", "s7")), "s1,s7"), (NO_ANSWER, "")):
        talk = start(make_session(*settings), *[respond("", 503)] * 20)
        talk.play((SETTINGS, answer))
        assert names == talk.requests[0].params["settings"]


def test_refused_credentials_fail_the_update(log: pytest.LogCaptureFixture) -> None:
    """A declaration that is answered with 401 is a failed update, and no remark about its setting."""
    setting = make_setting()
    session = make_session(setting)
    talk = start(session, respond("who are you?", 401))
    with pytest.raises(StatusError, match="401: who are you"):
        talk.result()
    assert ((), []) == (session.statuses()["size"].rejected, messages(log))
    assert [DECLARE] == Conversation(session.update(0)).asked


def test_declaration_that_cannot_be_written(log: pytest.LogCaptureFixture) -> None:
    """A setting whose declaration is no JSON costs no other setting anything."""
    spoilt, other = make_setting("size"), make_setting("color")
    spoilt.metadata["owner"] = object()
    session = make_session(spoilt, other)
    talk = Conversation(session.update())
    talk.play((FEATURES, features("a", "b")), (DECLARE, declared()), (SIZE, respond(listed("size"))))
    publish(session, talk, (QUERY, queried({"size": 4, "color": 5})))
    assert (spoilt.get(), other.get()) == (4, 5)
    [(level, text)] = messages(log)
    assert ("ERROR", True) == (level, text.startswith("setting declaration failed: size: it cannot be written as JSON"))


def test_problems_are_logged_when_they_change(log: pytest.LogCaptureFixture) -> None:
    """The same failure is logged once, another one again, and the first one again when it comes back."""
    setting = make_setting()
    session = make_session(setting)
    publish(session, start(session, NO_ANSWER), (QUERY, queried({})))
    outcomes: Sequence[tuple[Outcome, int]] = [(NO_ANSWER, 0), (respond("", 503), 1), (NO_ANSWER, 1), (NO_ANSWER, 0)]
    assert len(messages(log)) == 1
    for outcome, logged in outcomes:
        talk = Conversation(session.update())
        talk.play((DECLARE, outcome))
        if outcome is not NO_ANSWER:
            talk.play((SIZE, respond("", 404)))
        publish(session, talk, (QUERY, queried({})))
        assert len(messages(log)) == logged


def test_nothing_to_declare() -> None:
    """Without settings there is nothing to declare; the query asks for none."""
    talk = start(make_session())
    assert talk.asked == [QUERY]
    assert talk.requests[0].params["settings"] == ""


# ---- the query


def test_query_of_an_untracked_context() -> None:
    """Names are sorted and stand once; without tracking, all rules are asked for."""
    settings = [make_setting(name) for name in ("size", "color", "size")]
    [request] = start(make_session(*settings)).requests
    assert request.params == {"settings": "color,size", "context_filters": "*", "include_metadata": "false"}


def test_query_of_a_tracked_context() -> None:
    """Filters are those of the tracked values at the moment of the query."""
    context = ClientContext(("a", "b"))
    session = Session(context)
    context.track({"b": "y", "a": ["x", "w"]})
    assert start(session).requests[0].params["context_filters"] == "a:(w,x),b:(y)"


@pytest.mark.trap(2)
def test_etag_moves_only_with_the_data() -> None:
    """The ETag is sent after the answer that brought it was published, not before."""
    setting = make_setting()
    session = make_session(setting)
    talk = start(session)
    assert talk.requests[0].headers == {}
    talk.play((QUERY, queried({"size": 5})))
    assert Conversation(session.update()).requests[-1].headers == {}
    assert setting.get() == 0
    session.publish(talk.result())
    assert Conversation(session.update()).requests[0].headers == {"If-None-Match": '"1"'}
    assert setting.get() == 5


def test_nothing_modified() -> None:
    """When nothing has changed, settings keep their evaluations, and the ETag stays."""
    session, [setting] = bring_up(size=5)
    before = setting._evaluation
    for _ in range(2):
        talk = Conversation(session.update())
        assert talk.requests[0].headers == {"If-None-Match": '"1"'}
        publish(session, talk, (QUERY, not_modified()))
        assert before is setting._evaluation


def test_etag_belongs_to_its_query() -> None:
    """Another query, as after a call of track_contexts, is sent without the ETag."""
    context = ClientContext(("a", "b"))
    session = Session(context)
    publish(session, start(session), (QUERY, queried({})))
    context.track({"a": "x"})
    assert Conversation(session.update()).requests[0].headers == {}


def test_answer_without_etag() -> None:
    """A service that sends no ETag is asked for everything each time."""
    setting = make_setting()
    session = make_session(setting)
    publish(session, start(session), (QUERY, queried({"size": 5}, etag=None)))
    assert Conversation(session.update()).requests[0].headers == {}


@pytest.mark.trap(18)
def test_new_setting_of_a_known_name() -> None:
    """A second setting of one name makes the same query, which is sent without the ETag; both get the values."""
    session, [first] = bring_up(size=5)
    second = make_setting()
    session.register(second)
    talk = Conversation(session.update())
    talk.play((DECLARE, declared("uptodate")))
    assert talk.requests[0].headers == {}
    publish(session, talk, (QUERY, queried({"size": 6})))
    assert (first.get(), second.get()) == (6, 6)
    assert Conversation(session.update()).requests[0].headers == {"If-None-Match": '"1"'}


def test_not_modified_without_having_asked() -> None:
    """A 304 to a query without an ETag, as a mistaken cache may give it, is an error and no update."""
    setting = make_setting()
    session = make_session(setting)
    talk = start(session)
    talk.play((QUERY, not_modified()))
    with pytest.raises(StatusError, match="GET /api/v1/query was answered with status 304"):
        talk.result()


@pytest.mark.parametrize("outcome", [NO_ANSWER, respond("", 500), respond("<html>"), respond({"settings": []})])
def test_failed_query(outcome: Outcome) -> None:
    """A query that fails changes nothing: settings and ETag stay, and the next update is like this one."""
    session, [setting] = bring_up(size=5)
    talk = Conversation(session.update())
    talk.play((QUERY, outcome))
    # An answer that is not the service's has no feature order either.
    if talk.asked:
        talk.play((FEATURES, features("a", "b")))
    with pytest.raises((TransportError, InvalidResponseError, StatusError)):
        talk.result()
    assert setting.get() == 5
    assert Conversation(session.update()).requests[0].headers == {"If-None-Match": '"1"'}


# ---- settings that the service does not know


@pytest.mark.trap(4)
def test_deleted_setting_is_declared_again(log: pytest.LogCaptureFixture) -> None:
    """A setting that is gone from the service is declared again, within the same update; the others go on."""
    session, [gone, other] = bring_up(size=5, color=6)
    talk = Conversation(session.update())
    talk.play((QUERY, respond("unknown", 404)), (SETTINGS, listing(listed("tint", "color"))))
    assert talk.asked == [DECLARE]
    assert gone.to_v1_declaration_body() == talk.requests[0].body
    talk.answer(declared())
    assert (talk.requests[0].headers, talk.requests[0].params["settings"]) == ({}, "color,size")
    publish(session, talk, (QUERY, queried({"size": 0, "tint": 7})))
    assert (gone.get(), other.get()) == (0, 7)
    assert messages(log) == [("WARNING", "setting size is gone from the service; declaring it again")]


@pytest.mark.trap(4)
def test_deleted_setting_that_cannot_be_declared_again() -> None:
    """A setting that is gone and is refused now waits, with the value that it had, while the others go on."""
    session, [gone, other] = bring_up(size=5, color=6)
    rounds = [
        (QUERY, respond("unknown", 404)),
        (SETTINGS, listing(listed("color"))),
        (DECLARE, respond("first version must be 1.0", 400)),
        (SIZE, respond("", 404)),
        (QUERY, queried({"color": 7})),
    ]
    publish(session, Conversation(session.update()), *rounds)
    assert session.statuses()["size"].is_missing
    assert (gone.get(), other.get()) == (5, 7)
    assert Conversation(session.update()).asked == [DECLARE]


def test_not_found_though_all_is_there() -> None:
    """A 404 that no unknown setting explains is tried once more, then it is the update's failure."""
    session, _ = bring_up(size=5)
    talk = Conversation(session.update())
    talk.play((QUERY, respond("", 404)), (SETTINGS, listing(listed("size"))), (QUERY, respond("", 404)))
    with pytest.raises(StatusError, match="GET /api/v1/query was answered with status 404"):
        talk.result()


def test_not_found_and_no_list() -> None:
    """When the list of settings cannot be had either, the update fails, and nothing is declared anew."""
    session, _ = bring_up(size=5)
    talk = Conversation(session.update())
    talk.play((QUERY, respond("", 404)), (SETTINGS, NO_ANSWER))
    with pytest.raises(TransportError):
        talk.result()
    assert not session.has_undeclared()


@pytest.mark.trap(4)
def test_refused_renaming() -> None:
    """A setting whose renaming the service refuses is asked for by its earlier name from then on."""
    renamed, other = make_setting("size", alias="width"), make_setting("color")
    session = make_session(renamed, other)
    talk = start(session, respond({"outcome": "mismatch"}, 409), declared())
    talk.play((QUERY, respond("unknown", 404)), (SETTINGS, listing(listed("color"), listed("width"))))
    assert talk.requests[0].params["settings"] == "color,width"
    publish(session, talk, (QUERY, queried({"width": 5, "color": 6})))
    assert (renamed.get(), other.get()) == (5, 6)
    talk = Conversation(session.update(0))
    assert (talk.requests[0].params["settings"], talk.requests[0].headers) == ("color,width", {"If-None-Match": '"1"'})

    # The earlier name is no more, but meanwhile there is the new one.
    talk.play((QUERY, respond("unknown", 404)), (SETTINGS, listing(listed("color"), listed("size"))))
    publish(session, talk, (QUERY, queried({"size": 7, "color": 6})))
    assert renamed.get() == 7


@pytest.mark.trap(4)
def test_refused_renaming_of_a_setting_that_is_gone() -> None:
    """When the earlier name is gone, too, the setting is declared again, and asked for by its own name."""
    setting = make_setting("size", alias="width")
    session = make_session(setting)
    talk = start(session, respond({"outcome": "mismatch"}, 409))
    rounds = [(QUERY, respond("unknown", 404)), (SETTINGS, listing(listed("width")))]
    publish(session, talk, *rounds, (QUERY, queried({"width": 5})))
    talk = Conversation(session.update(0))
    talk.play((QUERY, respond("unknown", 404)), (SETTINGS, listing()), (DECLARE, declared()))
    assert talk.requests[0].params["settings"] == "size"
    publish(session, talk, (QUERY, queried({"size": 7})))
    assert setting.get() == 7


def test_accepted_renaming_does_not_ask_for_the_earlier_name() -> None:
    """A setting that the service knows by its own name is asked for by that, though its earlier name is known, too."""
    renamed, gone = make_setting("size", alias="width"), make_setting("color")
    session = make_session(renamed, gone)
    publish(session, start(session), (QUERY, queried({"size": 5, "color": 6})))
    talk = Conversation(session.update())
    talk.play((QUERY, respond("unknown", 404)), (SETTINGS, listing(listed("size", "width"))), (DECLARE, declared()))
    assert talk.requests[0].params["settings"] == "color,size"


@pytest.mark.trap(4)
def test_conflict_about_a_setting_that_is_gone() -> None:
    """A setting that the service does not have, and calls a conflict all the same, waits; the others go on."""
    session, [gone, other] = bring_up(size=5, color=6)
    rounds = [
        (QUERY, respond("unknown", 404)),
        (SETTINGS, listing(listed("color"))),
        (DECLARE, respond({"outcome": "mismatch"}, 409)),
        (SIZE, respond("", 404)),
        (QUERY, queried({"color": 7})),
    ]
    publish(session, Conversation(session.update()), *rounds)
    assert (session.statuses()["size"].is_missing, gone.get(), other.get()) == (True, 5, 7)
    publish(session, Conversation(session.update()), (DECLARE, declared()), (QUERY, queried({"size": 8, "color": 7})))
    assert gone.get() == 8


# ---- names


@pytest.mark.trap(5)
def test_one_renamed_setting() -> None:
    """One unknown name in the answer is that of the one setting that is missing in it; that needs no request."""
    session, [renamed, other] = bring_up(size=5, color=6)
    publish(session, Conversation(session.update()), (QUERY, queried({"width": 7, "color": 8})))
    assert (renamed.get(), other.get()) == (7, 8)


@pytest.mark.trap(5)
def test_several_renamed_settings() -> None:
    """The names of several renamed settings are asked for, of an existing service one at a time."""
    session, [first, second] = bring_up(size=5, color=6)
    talk = Conversation(session.update())
    talk.play((QUERY, queried({"width": 7, "tint": 8})))
    talk.play(("GET /api/v1/settings/color", respond(listed("tint"))), (SIZE, respond(listed("width"))))
    publish(session, talk)
    assert (first.get(), second.get()) == (7, 8)


def test_answer_with_more_than_was_asked() -> None:
    """When more than one unknown name is answered, it is not guessed which one is meant."""
    session, [setting] = bring_up(size=5)
    talk = Conversation(session.update())
    talk.play((QUERY, queried({"height": 6, "width": 7})), ("GET /api/v1/settings/size", respond(listed("width"))))
    publish(session, talk)
    assert setting.get() == 7


@pytest.mark.trap(5)
def test_new_and_old_name_side_by_side() -> None:
    """Two settings in the program that are one on the service both get its values."""
    session, [old, new] = bring_up(size=5, width=5)
    talk = Conversation(session.update())
    talk.play((QUERY, queried({"width": 7})))
    assert talk.asked == ["GET /api/v1/settings/size"]
    talk.answer(respond(listed("width", "size")))
    publish(session, talk)
    assert (old.get(), new.get()) == (7, 7)


@pytest.mark.parametrize("outcome", [NO_ANSWER, respond("", 404), respond({"version": "1.0"})])
def test_renamed_setting_whose_name_is_not_to_be_had(outcome: Outcome, log: pytest.LogCaptureFixture) -> None:
    """A setting whose name cannot be found out keeps what it has; others go on, and the next answer is a full one."""
    session, [lost, found] = bring_up(size=5, color=6)
    talk = Conversation(session.update())
    talk.play((QUERY, queried({"width": 7, "tint": 8})))
    talk.play(("GET /api/v1/settings/color", respond(listed("tint"))), (SIZE, outcome))
    publish(session, talk)
    assert (lost.get(), found.get()) == (5, 8)
    assert (messages(log)[-1]) == (
        "ERROR",
        "setting size keeps what it has: a setting must be an object with a list of rules, not None",
    )
    assert Conversation(session.update()).requests[0].headers == {}


# ---- answers that are not what they should be


@pytest.mark.trap(6)
@pytest.mark.parametrize(
    "answer", [[], {"rules": {}}, {"rules": [{"value": 1}]}, {"rules": [{"rule_id": 1, "context_features": []}]}]
)
def test_answer_that_makes_no_sense_for_one_setting(answer: object, log: pytest.LogCaptureFixture) -> None:
    """A setting whose answer is malformed keeps what it has, others move on; it is said once, and tried again."""
    session, [broken, other] = bring_up(size=5, color=6)
    for number in (7, 8):
        talk = Conversation(session.update())
        body = {"settings": {"size": answer, "color": said(number)}}
        headers = {"heksher-context-features": "a,b", "etag": '"2"'}
        assert ({"If-None-Match": '"1"'} if number == 7 else {}) == talk.requests[0].headers
        publish(session, talk, (QUERY, respond(body, headers=headers)))
        assert (5, number) == (broken.get(), other.get())
    [(level, text)] = messages(log)
    assert level == "ERROR"
    assert text.startswith("setting size keeps what it has: a ")


def test_setting_that_was_never_retrieved(log: pytest.LogCaptureFixture) -> None:
    """A setting that the answer leaves out from the first has its default, and the log says so."""
    setting = make_setting()
    session = make_session(setting)
    talk = start(session)
    talk.play((QUERY, queried({})))
    talk.answer(respond("", 404))
    publish(session, talk)
    assert messages(log)[-1] == ("INFO", "the value of setting was never retrieved from service: size uses its default")


@pytest.mark.trap(6)
def test_rejected_value(log: pytest.LogCaptureFixture) -> None:
    """A value that is rejected is said once, the others count, and the next answer is a full one, until all is well."""
    session, [setting] = bring_up(size=5)
    for _ in range(2):
        talk = Conversation(session.update())
        publish(session, talk, (QUERY, queried({"size": said(6, rule(1, "wide", a="x"))}, etag='"2"')))
        assert setting.get(a="x") == 6
        assert Conversation(session.update()).requests[0].headers == {}
    [(level, text)] = messages(log)
    assert (
        level,
        text.startswith("setting update rejected rules: setting size: the value of rule 1, 'wide', was "),
    ) == ("WARNING", True)
    publish(session, Conversation(session.update()), (QUERY, queried({"size": said(6, rule(1, 7, a="x"))}, etag='"3"')))
    assert setting.get(a="x") == 7
    assert Conversation(session.update()).requests[0].headers == {"If-None-Match": '"3"'}


# ---- settings that come and go


@pytest.mark.trap(7)
def test_settings_live_while_they_are_declared() -> None:
    """A setting that the program drops while it is declared is still there when the answer comes."""
    setting = make_setting()
    session = make_session(setting)
    talk = Conversation(session.update())
    talk.play((FEATURES, features("a", "b")))
    del setting
    gc.collect()
    assert len(session.settings()) == 1
    talk.answer(declared())
    assert (talk.requests[0].params["settings"], session.settings()) == ("", [])


@pytest.mark.trap(7)
def test_setting_is_collected_during_the_query() -> None:
    """A setting that is collected during the query is left out; what was answered for it is nobody else's."""
    session, settings = bring_up(size=5, color=6)
    talk = Conversation(session.update())
    del settings[0]
    gc.collect()
    publish(session, talk, (QUERY, queried({"size": 7, "tint": 8})))
    assert [setting.get() for setting in settings] == [8]


@pytest.mark.trap(7)
def test_setting_is_collected_before_publishing() -> None:
    """A setting that is collected between an update and its publishing is passed over."""
    session, settings = bring_up(size=5, color=6)
    talk = Conversation(session.update())
    talk.play((QUERY, queried({"size": 7, "color": 8})))
    del settings[0]
    gc.collect()
    session.publish(talk.result())
    assert [setting.get() for setting in session.settings()] == [8]


@pytest.mark.trap(7)
def test_setting_is_looked_for_while_it_dies() -> None:
    """What runs while a setting dies (here, and in other threads) does not meet it any more."""
    session, settings = bring_up(size=5)
    seen = []
    weakref.finalize(settings[0], lambda: seen.append((session.settings(), session.has_undeclared())))
    settings.clear()
    assert seen == [([], False)]


def test_setting_that_comes_during_an_update() -> None:
    """A setting that is created while an update is under way waits for the next one."""
    session, _ = bring_up(size=5)
    talk = Conversation(session.update())
    late = make_setting("color")
    session.register(late)
    publish(session, talk, (QUERY, queried({"size": 6})))
    assert session.has_undeclared()
    talk = Conversation(session.update())
    publish(session, talk, (DECLARE, declared()), (QUERY, queried({"size": 6, "color": 7})))
    assert late.get() == 7


def test_released_session_publishes_nothing() -> None:
    """What a session that lost its settings meanwhile has prepared does not reach them."""
    session, [setting] = bring_up(size=5)
    talk = Conversation(session.update())
    session.release()
    assert session.settings() == []
    publish(session, talk, (QUERY, queried({"size": 6})))
    assert setting.get() == 5


def test_settings_that_come_back_begin_anew() -> None:
    """A setting that was released and came back is declared again, and gets nothing of an update from before."""
    session, [setting] = bring_up(size=5)
    talk = Conversation(session.update())
    talk.play((QUERY, queried({"size": 6})))
    session.release()
    session.register(setting)
    session.publish(talk.result())
    assert setting.get() == 5
    again = Conversation(session.update())
    again.play((DECLARE, declared("uptodate")))
    assert again.requests[0].headers == {}
    publish(session, again, (QUERY, queried({"size": 7})))
    assert setting.get() == 7


# ---- the other flows


def test_ping() -> None:
    """A ping is one request; it raises unless the service itself answers with a success."""
    talk = Conversation(make_session().ping())
    talk.play(("GET /api/health", respond({"version": "1"})))
    talk.result()
    failures: Sequence[tuple[Outcome, type[Exception]]] = [
        (respond("", 500), StatusError),
        (respond("<html>"), InvalidResponseError),
        (NO_ANSWER, TransportError),
    ]
    for outcome, error in failures:
        talk = Conversation(make_session().ping())
        talk.play(("GET /api/health", outcome))
        with pytest.raises(error):
            talk.result()


def test_get_settings() -> None:
    """All settings of the service are asked for with their additional data, and given by name."""
    talk = Conversation(make_session().get_settings())
    assert talk.requests[0].params == {"include_additional_data": "true"}
    talk.play((SETTINGS, listing(listed("size", "width"), listed("color"))))
    assert {name: data.aliases for name, data in talk.result().items()} == {"size": ["width"], "color": []}
