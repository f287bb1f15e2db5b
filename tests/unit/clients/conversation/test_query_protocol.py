"""Queries: what a service is asked, in which form, and only as far as it is known to understand it."""

import pytest

from heksher.clients.conversation.exchange import Request, Response
from heksher.clients.conversation.query_protocol import MAX_URL_BYTES, Query, QueryProtocol
from heksher.clients.conversation.session import Session
from heksher.clients.conversation.update import Update
from heksher.context import TRACK_ALL, ClientContext
from heksher.exceptions import StatusError
from heksher.revision_id import RevisionId
from heksher.setting import Setting
from heksher.wire import QUERY_PATH
from tests.support.conversation import (
    DECLARE,
    FEATURES,
    QUERY,
    Conversation,
    declared,
    features,
    not_modified,
    queried,
    respond,
)

POST_QUERY = "POST /api/v1/query"
BASE_URL = "http://heksher.test"
PLAIN = {"settings": "size", "context_filters": "*", "include_metadata": "false"}
WITH_ALIASES = {**PLAIN, "include_aliases": "true"}
ALL = ("post-query", "aliases", "stream")
STAMP, OTHER_STAMP = "0123456789ab", "fedcba987654"
# Has any service look at its database.
LOOK = "9" * 18


def telling(response: Response, *capabilities: str, revision: int | None = None, stamp: str = "") -> Response:
    """Have an answer announce capabilities, and tell a revision, with its stamp or without."""
    told = {"heksher-capabilities": ", ".join(capabilities)} if capabilities else {}
    if revision is not None:
        told["heksher-revision"] = str(revision)
    if stamp:
        told["heksher-revision-id"] = f"{revision}-{stamp}"
    return response._replace(headers={**response.headers, **told})


def with_aliases(response: Response, aliases: object) -> Response:
    """Have the answer to a query say aliases."""
    return response._replace(body=response.body[:-1] + b', "aliases": ' + respond(aliases).body + b"}")


def make_setting(name: str = "size") -> Setting[int]:
    return Setting(name, int, ["a", "b"], 0)


# Sessions hold settings weakly.
SIZE = make_setting()


def start(setting: Setting[int], *capabilities: str, context: ClientContext | None = None) -> Session:
    """Make a session with one setting, whose service announces capabilities, up to the first query."""
    session = Session(context or ClientContext(("a", "b")), BASE_URL)
    session.register(setting)
    publish(
        session,
        (FEATURES, telling(features("a", "b"), *capabilities)),
        (DECLARE, declared()),
        (
            POST_QUERY if len(setting.name) >= MAX_URL_BYTES else QUERY,
            telling(queried({setting.name: 1}), *capabilities),
        ),
    )
    return session


def start_with(context: ClientContext, *capabilities: str) -> Session:
    """Do the same for a service that is posted to from the first query on."""
    session = Session(context, BASE_URL)
    session.register(SIZE)
    publish(
        session,
        (FEATURES, telling(features("a", "b"), *capabilities)),
        (DECLARE, declared()),
        (POST_QUERY, telling(queried({"size": 1}), *capabilities)),
    )
    return session


def publish(session: Session, *rounds: tuple[str, Response]) -> Update:
    """Play an update to its end, and publish it."""
    talk = Conversation(session.update())
    talk.play(*rounds)
    update = talk.result()
    session.publish(update)
    return update


def begin(session: Session) -> tuple[Conversation[Update], Request]:
    """Begin an update that has nothing to declare; return its query, too."""
    talk = Conversation(session.update())
    [request] = talk.requests
    return talk, request


# ---- what is announced


def test_nothing_is_used_that_is_not_announced() -> None:
    """A service that announces nothing gets the request of the contract, and no header but the ETag."""
    _, request = begin(start(SIZE))
    assert request == Request("GET", QUERY_PATH, PLAIN, {"If-None-Match": '"1"'})


def test_unknown_capabilities_are_passed_over() -> None:
    """What a later service may announce changes nothing."""
    _, request = begin(start(SIZE, "teleport", "aliases-2"))
    assert PLAIN == request.params


def test_capabilities_are_those_of_the_last_answer() -> None:
    """Each answer to a query says anew what the service can do, also one that says that nothing has changed."""
    session = start(SIZE, *ALL)
    publish(session, (QUERY, telling(not_modified())))
    assert PLAIN == begin(session)[1].params
    publish(session, (QUERY, telling(queried({"size": 1}), "aliases")))
    assert WITH_ALIASES == begin(session)[1].params


# ---- aliases


@pytest.mark.trap(5)
def test_announced_aliases_are_asked_for_and_used() -> None:
    """With aliases in the answer, renamed settings need no request of their own, however many there are."""
    session = start(setting := make_setting("size"), *ALL)
    session.register(other := make_setting("color"))
    talk = Conversation(session.update())
    talk.play((DECLARE, declared()))
    assert {**WITH_ALIASES, "settings": "color,size"} == talk.requests[0].params
    answer = queried({"new.size": 7, "new.color": 8})
    talk.answer(with_aliases(telling(answer, *ALL), {"size": "new.size", "color": "new.color"}))
    session.publish(talk.result())
    assert (7, 8) == (setting.get(), other.get())


@pytest.mark.parametrize("aliases", [None, [], 5, {"size": 5, "color": None}])
def test_aliases_that_make_no_sense(aliases: object) -> None:
    """Names that the answer does not explain are asked for one by one, as with any other service."""
    session = start(SIZE, *ALL)
    session.register(color := make_setting("color"))
    talk = Conversation(session.update())
    talk.play((DECLARE, declared()))
    talk.answer(with_aliases(telling(queried({"new.size": 7, "new.color": 8}), *ALL), aliases))
    assert ["GET /api/v1/settings/color", "GET /api/v1/settings/size"] == talk.asked
    talk.answer(respond({"name": "new.color"}), respond({"name": "new.size"}))
    session.publish(talk.result())
    assert 8 == color.get()


def test_one_name_that_the_answer_does_not_explain() -> None:
    """One setting whose name is not explained, beside one that nobody asked for: they are the same."""
    session = start(size := make_setting("size"), *ALL)
    session.register(color := make_setting("color"))
    talk = Conversation(session.update())
    talk.play((DECLARE, declared()))
    talk.answer(with_aliases(telling(queried({"new.size": 7, "new.color": 8}), *ALL), {"size": "new.size"}))
    session.publish(talk.result())
    assert (7, 8) == (size.get(), color.get())


# ---- long queries

LONG = make_setting("s" * MAX_URL_BYTES)
LONG_BODY = {"settings": [LONG.name], "context_filters": "*", "include_metadata": False, "include_aliases": True}


@pytest.mark.trap(43)
def test_long_query_is_sent_as_a_body() -> None:
    """What would be too long for a URL is a JSON body, and has an ETag all the same."""
    session = start(LONG, *ALL)
    talk, request = begin(session)
    assert request == Request("POST", QUERY_PATH, headers={"If-None-Match": '"1"'}, body=LONG_BODY)
    talk.answer(telling(not_modified(), *ALL))
    assert () == talk.result().renewals


def test_long_query_to_a_service_that_takes_no_body() -> None:
    """A service that does not announce bodies gets the long URL: there is no other way."""
    session = Session(ClientContext(("a", "b")), BASE_URL)
    session.register(LONG)
    talk = Conversation(session.update())
    talk.play((FEATURES, telling(features("a", "b"), "aliases")), (DECLARE, declared()))
    assert [QUERY] == talk.asked


@pytest.mark.parametrize(("excess", "method"), [(0, "GET"), (1, "POST")])
def test_longest_url(excess: int, method: str) -> None:
    """A URL has 4096 bytes at most, with all that belongs to it, as it is encoded."""
    protocol = QueryProtocol(BASE_URL)
    protocol.note(telling(queried({}), "post-query"))
    rest = f"{BASE_URL}{QUERY_PATH}?settings=s%2C&context_filters=%2A&include_metadata=false"
    names = "s", "t" * (4096 - len(rest) + excess)
    assert method == protocol.write(Query(names, None, has_aliases=False), QUERY_PATH, {}).method


@pytest.mark.parametrize(
    ("tracked", "written"),
    [
        ({}, {}),
        ({"b": ["y", "x"], "a": "z"}, {"a": ["z"], "b": ["x", "y"]}),
        ({"a": TRACK_ALL}, {"a": "*"}),
    ],
)
def test_tracked_values_in_a_body(tracked: dict[str, object], written: object) -> None:
    """Filters are an object in a body: for each feature its values, sorted, or a star."""
    context = ClientContext(("a", "b"))
    context.track(tracked)  # type: ignore[arg-type]  # as a program may say them
    _, request = begin(start(LONG, *ALL, context=context))
    assert {**LONG_BODY, "context_filters": written} == request.body


# ---- any text as a tracked value

MAIL = "alice@example.com"
ANY_VALUES = (*ALL, "any-values")
MAIL_FILTERS = {"a": ["guest"], "b": ["*", MAIL, "guest"]}


def tracking(**tracked: object) -> ClientContext:
    """Make a context that tracks values."""
    context = ClientContext(("a", "b"))
    context.track(tracked)  # type: ignore[arg-type]  # as a program may say them
    return context


def said_of_values(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if "tracked values are unknown to the service" in record.msg]


def test_other_than_plain_values_are_sent_as_a_body() -> None:
    """A service that takes any text gets it in a body, where a list with a star says no more than it says."""
    session = start_with(tracking(a="guest", b=[MAIL, "guest", "*"]), *ANY_VALUES)
    request = session.make_stream_request(session.query)
    assert ("POST", MAIL_FILTERS) == (request.method, request.body["context_filters"])
    _, request = begin(session)
    assert ("POST", MAIL_FILTERS) == (request.method, request.body["context_filters"])


def test_plain_values_are_sent_as_ever() -> None:
    """What any service takes stands in the URL."""
    _, request = begin(start(SIZE, *ANY_VALUES, context=tracking(a=["x", "y"], b=TRACK_ALL)))
    assert ("GET", "a:(x,y),b:*") == (request.method, request.params["context_filters"])


def test_service_that_takes_any_text_but_no_body() -> None:
    """The values are JSON strings in the URL."""
    _, request = begin(start(SIZE, "any-values", context=tracking(b=[MAIL, "guest"])))
    assert ("GET", 'b:("alice@example.com",guest)') == (request.method, request.params["context_filters"])


@pytest.mark.parametrize("capabilities", [(), ALL])
def test_service_that_takes_plain_values_only(capabilities: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    """It is not asked for other values, which none of its rules can have; one warning names them."""
    context = tracking(a=[MAIL, "eu-west-1"], b=[MAIL, "guest"])
    session = start(SIZE, *capabilities, context=context)
    for _ in range(3):
        talk, request = begin(session)
        assert ("GET", "b:(guest)") == (request.method, request.params["context_filters"])
        talk.answer(telling(not_modified(), *capabilities))
    [warning] = said_of_values(caplog)
    assert warning == (
        "tracked values are unknown to the service, which takes only A-Z, a-z, 0-9 and _ in a value (it does not"
        " announce any-values): a='alice@example.com', a='eu-west-1', b='alice@example.com'; none of its rules can have"
        " them, and everything else is tracked"
    )


def test_many_values_that_the_service_does_not_take(caplog: pytest.LogCaptureFixture) -> None:
    """The warning names ten of them, and says how many more there are."""
    start(SIZE, context=tracking(a=[f"user-{number:03}" for number in range(100)]))
    [warning] = said_of_values(caplog)
    assert "a='user-009' and 90 more; none of its rules" in warning


def test_service_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """Any text is asked for as long as the service announces it: what was left out is asked for later."""
    session = start(SIZE, context=tracking(b=[MAIL, "guest"]))
    publish(session, (QUERY, telling(not_modified(), *ANY_VALUES)))
    talk, request = begin(session)
    assert {"b": [MAIL, "guest"]} == request.body["context_filters"]
    talk.play((POST_QUERY, respond("no", 422)), (FEATURES, features("a", "b")))
    assert "b:(guest)" == talk.requests[0].params["context_filters"]
    assert 2 == len(said_of_values(caplog))


# ---- an older service in the place of the one that announced


@pytest.mark.parametrize("status", [404, 405, 501])
def test_body_that_is_refused(status: int) -> None:
    """A service that does not take what was announced is asked what it can do, and then asked plainly."""
    talk, _ = begin(start(LONG, *ALL))
    talk.play((POST_QUERY, respond("no", status)), (FEATURES, features("a", "b")))
    assert [QUERY] == talk.asked
    assert {**PLAIN, "settings": LONG.name} == talk.requests[0].params
    talk.answer(queried({LONG.name: 5}))
    assert [5] == [renewal.answer.default_value for renewal in talk.result().renewals]


def test_parameter_that_is_refused() -> None:
    """So it is with a parameter."""
    talk, _ = begin(start(SIZE, *ALL))
    talk.play((QUERY, respond("no", 422)), (FEATURES, features("a", "b")))
    assert PLAIN == talk.requests[0].params


def test_refusal_for_another_reason() -> None:
    """A service that announces the same again is not asked the same again."""
    talk, _ = begin(start(SIZE, *ALL))
    talk.play((QUERY, respond("no", 422)), (FEATURES, telling(features("a", "b"), *ALL)))
    with pytest.raises(StatusError, match="422"):
        talk.result()


def test_refusal_by_a_service_that_announces_nothing() -> None:
    """Where nothing was announced, nothing is asked but what always was."""
    talk, _ = begin(start(SIZE))
    talk.play((QUERY, respond("no", 422)))
    with pytest.raises(StatusError, match="422"):
        talk.result()


# ---- revisions


def demanded(session: Session) -> str | None:
    """Begin an update and give the revision that its query demands."""
    return begin(session)[1].headers.get("Heksher-Min-Revision")


def test_published_revision_is_demanded() -> None:
    """Whichever replica answers, it must know what the last answer knew."""
    session = start(SIZE)
    assert None is demanded(session)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=17)))
    assert "17" == demanded(session)
    publish(session, (QUERY, telling(not_modified(), revision=18)))
    assert "18" == demanded(session)


def test_revision_does_not_belong_to_the_question() -> None:
    """Another demand does not make the ETag useless."""
    session = start(SIZE)
    publish(session, (QUERY, telling(queried({"size": 2}, etag='"2"'), revision=17)))
    assert {"If-None-Match": '"2"', "Heksher-Min-Revision": "17"} == begin(session)[1].headers


def test_declaration_is_seen_by_the_next_query() -> None:
    """What this client has declared is there in the answer to its query, whichever replica gives it."""
    session = start(SIZE)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=17)))
    for name, revision in (("color", 20), ("speed", 19)):
        session.register(setting := make_setting(name))
        talk = Conversation(session.update())
        talk.play((DECLARE, telling(declared(), revision=revision)))
        assert "20" == talk.requests[0].headers["Heksher-Min-Revision"]
        talk.answer(respond("", 503))
        with pytest.raises(StatusError):
            talk.result()
        # Of the setting, nothing is left but what its declaration demanded.
        del setting


def test_restored_service() -> None:
    """A service that was restored from a backup has a lower revision than before; that is the one that counts."""
    session = start(SIZE)
    session.require_revision(RevisionId(50))
    publish(session, (QUERY, telling(queried({"size": 2}), revision=30)))
    assert "30" == demanded(session)


def test_demand_during_an_update() -> None:
    """What is demanded while a query is under way is demanded of the next one."""
    session = start(SIZE)
    session.require_revision(RevisionId(16))
    talk, request = begin(session)
    assert "16" == request.headers["Heksher-Min-Revision"]
    session.require_revision(RevisionId(17))
    talk.answer(telling(queried({"size": 2}), revision=16))
    session.publish(talk.result())
    assert "17" == demanded(session)


def test_service_that_no_longer_tells() -> None:
    """A service that tells no revision is asked for none."""
    session = start(SIZE)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=17)))
    publish(session, (QUERY, queried({"size": 2})))
    assert None is demanded(session)


def test_service_that_cannot_look() -> None:
    """A 503 for a revision is a failure like any other, with the time that the service asks for."""
    session = start(SIZE)
    session.require_revision(RevisionId(16))
    talk, _ = begin(session)
    talk.answer(respond("", 503, {"retry-after": "7"}))
    with pytest.raises(StatusError) as caught:
        talk.result()
    assert 7 == caught.value.retry_after_s
    assert "16" == demanded(session)


# ---- stamps


def test_stamp_is_demanded_of_who_tells_it() -> None:
    """A service that tells the stamps of its revisions is asked for these very changes, as long as it does."""
    session = start(SIZE)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=17, stamp=STAMP)))
    assert f"17-{STAMP}" == demanded(session)
    publish(session, (QUERY, telling(not_modified(), revision=18)))
    assert "18" == demanded(session)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((18, OTHER_STAMP), f"18-{OTHER_STAMP}"),
        ((17, STAMP), f"17-{STAMP}"),
        ((17, OTHER_STAMP), LOOK),
        ((17, ""), f"17-{STAMP}"),
        ((16, OTHER_STAMP), LOOK),
        ((16, ""), f"17-{STAMP}"),
    ],
)
def test_demand_of_what_may_be_another_history(told: tuple[int, str], expected: str) -> None:
    """Where what is known may be lost, or who tells be behind, a number that none has makes any service look."""
    session = start(SIZE)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=17, stamp=STAMP)))
    session.require_revision(RevisionId(*told))
    assert expected == demanded(session)


def test_look_is_demanded_until_there_is_an_answer() -> None:
    """Whatever is told besides; what the service has then is demanded afterwards."""
    session = start(SIZE)
    session.require_revision(RevisionId(17, STAMP))
    for number in (12, 18, 13):
        session.require_revision(RevisionId(number, OTHER_STAMP))
    assert LOOK == demanded(session)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=15, stamp=OTHER_STAMP)))
    assert f"15-{OTHER_STAMP}" == demanded(session)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((18, OTHER_STAMP), f"18-{OTHER_STAMP}"),
        ((17, OTHER_STAMP), LOOK),
        ((16, OTHER_STAMP), LOOK),
    ],
)
def test_answer_is_older_than_what_was_told_meanwhile(told: tuple[int, str], expected: str) -> None:
    """An answer may come from a process that does not know of a loss yet which another one has told of meanwhile."""
    session = start(SIZE)
    publish(session, (QUERY, telling(queried({"size": 2}), revision=17, stamp=STAMP)))
    talk, _ = begin(session)
    session.require_revision(RevisionId(*told))
    talk.answer(telling(not_modified(), revision=17, stamp=STAMP))
    session.publish(talk.result())
    assert expected == demanded(session)


def test_what_is_told_after_a_look_is_demanded_of_the_next_answer() -> None:
    """A look that is under way has not seen what happens afterwards."""
    session = start(SIZE)
    session.require_revision(RevisionId(17, STAMP))
    session.require_revision(RevisionId(16, OTHER_STAMP))
    talk, request = begin(session)
    assert LOOK == request.headers["Heksher-Min-Revision"]
    session.require_revision(RevisionId(18, OTHER_STAMP))
    talk.answer(telling(queried({"size": 2}), revision=17, stamp=OTHER_STAMP))
    session.publish(talk.result())
    assert f"18-{OTHER_STAMP}" == demanded(session)


def test_older_service_in_place_of_one_with_stamps() -> None:
    """A service that does not know stamps refuses them; it is asked again at once, without."""
    session = start(SIZE)
    session.require_revision(RevisionId(17, STAMP))
    talk, _ = begin(session)
    talk.answer(respond("", 422))
    assert "17" == talk.requests[0].headers["Heksher-Min-Revision"]
    talk.answer(telling(queried({"size": 2}), revision=18))
    session.publish(talk.result())
    assert "18" == demanded(session)


def test_refusal_without_stamps_is_one() -> None:
    """A service that refuses a query without stamps is not asked again."""
    session = start(SIZE)
    session.require_revision(RevisionId(17))
    talk, _ = begin(session)
    talk.answer(respond("", 422))
    with pytest.raises(StatusError):
        talk.result()
