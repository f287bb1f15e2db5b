"""What the query has on top of the API of the existing service (docs/adr/0010-answers-from-memory.md)."""

import pytest

from heksher.server.catalog.answer import MIN_COMPRESSED_BYTES
from heksher.server.storage.memory import MemoryStorage
from tests.support.api import Api, locations
from tests.support.catalogs import open_fragile
from tests.support.restorable_storage import RestorableStorage
from tests.support.storages import a_setting, store, write_something

PATH = "/api/v1/query"
DEMAND, ID = "Heksher-Min-Revision", "Heksher-Revision-Id"
STAMP = "0123456789ab"
MALFORMED = ("-1", "+1", "1.0", "1_0", "x", "9" * 19, "1,x", "1-", "1-x", f"1-{STAMP}0", f"1-{STAMP},x")


@pytest.mark.storages
def test_a_query_can_be_posted(ruled: Api):
    """The answer is that of the same query in a URL, with its tag, and is known by it."""
    expected = ruled.get(f"{PATH}?settings=A,old&context_filters=user:*&include_metadata=true&include_aliases=true")
    body = {
        "settings": ["A", "old"],
        "context_filters": {"user": "*"},
        "include_metadata": True,
        "include_aliases": True,
    }
    for _ in range(2):
        response = ruled.post(PATH, json=body)
        assert (200, expected.content) == (response.status_code, response.content)
        assert expected.headers["etag"] == response.headers["etag"]
    known = ruled.post(PATH, json=body, headers={"If-None-Match": expected.headers["etag"]})
    assert (304, b"") == (known.status_code, known.content)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"settings": None, "context_filters": "*"}, [1, 2, 3, 4]),
        ({"settings": "old,A", "context_filters": "user:(guest)"}, [1]),
        ({"settings": ["b", "b"], "context_filters": {"user": ["guest", "guest"]}}, [1]),
        ({"context_filters": {"user": "*", "unheard_of": []}}, [1, 2]),
        ({"context_filters": {"user": []}}, []),
        ({"context_filters": {}}, []),
        ({"context_filters": ""}, []),
    ],
)
def test_a_posted_query_has_the_same_parameters(ruled: Api, body: dict, expected: list[int]):
    """All of them can be left out, and can be texts as in a URL."""
    answered = ruled.post(PATH, json=body).json()["settings"]["b"]
    assert expected == [rule["rule_id"] for rule in answered["rules"]]


@pytest.mark.parametrize("settings", [[], ""])
def test_a_posted_query_for_nothing(ruled: Api, settings: object):
    """An empty list is no list of all."""
    assert {"settings": {}} == ruled.post(PATH, json={"settings": settings}).json()


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"settings": 5}, "settings"),
        ({"settings": [5]}, "settings"),
        ({"settings": ["a"] * 10_001}, "settings"),
        ({"context_filters": {"user": "guest"}}, "context_filters"),
        ({"context_filters": {"user": [True]}}, "context_filters"),
        ({"context_filters": {"user": [None]}}, "context_filters"),
        ({"context_filters": {"user": ["*guest"]}}, "context_filters"),
        ({"context_filters": None}, "context_filters"),
        ({"context_filters": "null"}, "context_filters"),
        ({"context_filters": {f"f{number}": "*" for number in range(1001)}}, "context_filters"),
        ({"include_metadata": "maybe"}, "include_metadata"),
        ({"include_aliases": None}, "include_aliases"),
    ],
)
def test_a_malformed_posted_query_is_refused(ruled: Api, body: dict, location: str):
    """The part that is wrong is named."""
    assert {("body", location)} == {tuple(found[:2]) for found in locations(ruled.post(PATH, json=body))}


def test_a_posted_query_is_refused_like_others(ruled: Api):
    """Unknown names, repeated filters, bodies that are too large or no JSON."""
    several = [
        ruled.post(PATH, json={"settings": ["c"]}),
        ruled.post(PATH, json={"context_filters": "user:*,user:*"}),
        ruled.post(PATH, content=b" " * (4 * 1024 * 1024 + 1)),
        ruled.post(PATH, content=b"{"),
        ruled.post(PATH, content=b""),
    ]
    assert [404, 400, 413, 422, 422] == [response.status_code for response in several]


def test_a_posted_query_is_json_every_time(ruled: Api):
    """Also when the same body has been answered before."""
    assert 200 == ruled.post(PATH, content=b"{}").status_code
    assert 200 == ruled.post(PATH, content=b"{}", headers={"Content-Type": "application/json"}).status_code
    assert 422 == ruled.post(PATH, content=b"{}", headers={"Content-Type": "text/plain"}).status_code


@pytest.mark.storages
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("settings=old,A&include_aliases=true", {"old": "b"}),
        ("settings=b,A&include_aliases=true", {}),
        ("include_aliases=true", {}),
        ("settings=old", None),
        ("settings=old&include_aliases=false", None),
    ],
)
def test_aliases_are_told_on_demand(ruled: Api, question: str, expected: dict | None):
    """For each name that was asked for and is an alias, the canonical one."""
    assert expected == ruled.get(f"{PATH}?{question}").json().get("aliases")


def test_the_answer_says_what_else_can_be_asked_for(ruled: Api):
    """So does a 304, and the answer that clients get first of all; an error does not."""
    tag = ruled.get(PATH).headers["etag"]
    several = [
        ruled.get(PATH),
        ruled.post(PATH, json={}),
        ruled.get(PATH, headers={"If-None-Match": tag}),
        ruled.get("/api/v1/context_features"),
        ruled.get(f"{PATH}?settings=c"),
    ]
    told = [response.headers.get("Heksher-Capabilities") for response in several]
    assert ["post-query, aliases, stream, any-values, declare-many"] * 4 + [None] == told


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip", "gzip"), ("gzip, zstd", "zstd"), ("br", None)])
def test_large_answers_are_compressed(ruled: Api, accepted: str, encoding: str | None):
    """As the client can read it; the content is the same, the tag is that of the form."""
    ruled.declare("large", type="str", default_value="x" * MIN_COMPRESSED_BYTES)
    plain = ruled.get(PATH, headers={"Accept-Encoding": "identity"})
    headers = {"Accept-Encoding": accepted}
    for _ in range(2):
        response = ruled.get(PATH, headers=headers)
        assert (encoding, plain.json()) == (response.headers.get("content-encoding"), response.json())
        assert (encoding is None) == (response.headers["etag"] == plain.headers["etag"])
        assert "accept-encoding" == response.headers["vary"]
    for tag in (plain.headers["etag"], response.headers["etag"], "*"):
        known = ruled.get(PATH, headers={**headers, "If-None-Match": tag})
        assert (304, response.headers["etag"] if tag == "*" else tag) == (known.status_code, known.headers["etag"])


def test_a_small_answer_is_never_compressed(ruled: Api):
    """It would not be any faster."""
    assert "content-encoding" not in ruled.get(f"{PATH}?settings=A", headers={"Accept-Encoding": "gzip"}).headers


def test_a_demanded_revision_is_waited_for():
    """What another process has written is not known here yet, unless it is demanded."""
    api = Api(storage := open_fragile())
    api.get(PATH)
    revision = write_something(storage)

    def ask(**headers: str) -> str:
        return api.get(PATH, headers=headers).headers["Heksher-Revision"]

    demand = "Heksher-Min-Revision"
    assert ["1", "1", "2", "2"] == [ask(), ask(**{demand: "1"}), ask(**{demand: str(revision)}), ask()]
    # Of a time before a backup was restored.
    assert "2" == ask(**{demand: "1000"})


def test_a_demand_is_a_503_while_the_database_is_away():
    """The client may ask another replica, or ask without it."""
    api = Api(storage := open_fragile())
    api.get(PATH)
    storage.is_away = True
    response = api.get(PATH, headers={"Heksher-Min-Revision": "2"})
    assert (503, "1") == (response.status_code, response.headers["Retry-After"])
    assert 200 == api.get(PATH, headers={"Heksher-Min-Revision": "1"}).status_code


@pytest.mark.parametrize("demand", [*MALFORMED, "9" * 10_000])
def test_a_demand_that_makes_no_sense_is_refused(ruled: Api, demand: str):
    """Whether the answer is in memory already or not."""
    for _ in range(2):
        response = ruled.get(PATH, headers={"Heksher-Min-Revision": demand})
        assert ["header", "Heksher-Min-Revision"] in locations(response)
        ruled.get(PATH)


def test_one_of_two_demands_cannot_hide_the_other(ruled: Api):
    """Whichever of them is malformed: the last one counts, and all must be well-formed."""
    for demands in (["1", "x"], ["x", "1"]):
        headers = [("Heksher-Min-Revision", demand) for demand in demands]
        assert ["header", "Heksher-Min-Revision"] in locations(ruled.get(PATH, headers=headers))


# ---- the identity of history


@pytest.mark.storages
def test_answers_tell_the_stamp_of_their_revision(ruled: Api):
    """An answer, a 304, and the answer to the write before it name the same change; the log has its stamp."""
    written = ruled.put("/api/v1/rules/1/value", json={"value": 99})
    answer = ruled.get(PATH)
    known = ruled.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    entry = ruled.read_log()[-1]
    assert [204, 200, 304] == [response.status_code for response in (written, answer, known)]
    told = [(response.headers["Heksher-Revision"], response.headers[ID]) for response in (written, answer, known)]
    assert [(str(entry.revision), f"{entry.revision}-{entry.stamp}")] * 3 == told


DECLARATION = {"name": "A", "configurable_features": ["environment", "user"], "type": "int", "default_value": 0}


@pytest.mark.storages
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "context_features", {"context_feature": "new"}),
        ("POST", "settings/declare", DECLARATION),
        ("POST", "settings/declare", {**DECLARATION, "name": "new"}),
        ("POST", "settings/declare", {**DECLARATION, "default_value": 1}),
        ("POST", "settings/declare-many", [DECLARATION]),
        ("PUT", "settings/A/name", {"name": "new", "version": "1.1"}),
        ("DELETE", "settings/A", None),
        ("POST", "rules", {"setting": "A", "feature_values": {"user": "x"}, "value": 1}),
        ("PUT", "rules/1/value", {"value": 1}),
        ("PUT", "rules/1/metadata/key", {"value": 1}),
        ("DELETE", "rules/1", None),
        ("DELETE", "rules/1/metadata/nothing", None),
    ],
)
def test_writes_tell_the_stamp_of_their_revision(ruled: Api, method: str, path: str, body: object):
    """Whether they had anything to change or not: it is that of the newest change, which a query can demand."""
    response = ruled.request(method, f"/api/v1/{path}", json=body)
    assert str(ruled.read_log()[-1].revision_id) == response.headers[ID]
    assert response.headers[ID] == ruled.get(PATH, headers={DEMAND: response.headers[ID]}).headers[ID]


def test_before_the_first_change_there_is_no_stamp():
    """The number 0 is the same in every history."""
    answer = Api().get(PATH)
    assert ("0", None) == (answer.headers["Heksher-Revision"], answer.headers.get(ID))


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_a_change_that_was_lost_is_answered_with_the_truth(ahead: int):
    """However many changes there are since: the demand of a lost change, like that of a new one, makes a process look.

    Whoever demands nothing gets what is known here.
    """
    storage = RestorableStorage(make_content("lost"))
    api = Api(storage)
    lost = api.get(PATH).headers[ID]
    storage.content = make_content(*"new"[: ahead + 1])
    new = str(storage.read(lambda reader: reader.revision_id()))
    assert lost == api.get(PATH).headers[ID]
    assert lost == api.get(PATH, headers={DEMAND: lost}).headers[ID]
    for demand in (new, lost, "9" * 18, f"1000-{STAMP}"):
        answer = api.get(PATH, headers={DEMAND: demand})
        assert (200, new) == (answer.status_code, answer.headers[ID])
        assert set("new"[: ahead + 1]) == set(answer.json()["settings"])


def test_a_change_of_another_history_is_a_503_while_the_database_is_away():
    """It cannot be asked; what this process knows is answered."""
    api = Api(storage := open_fragile())
    own = api.get(PATH).headers[ID]
    storage.is_away = True
    statuses = [api.get(PATH, headers={DEMAND: demand}).status_code for demand in (own, f"1-{STAMP}")]
    assert [200, 503] == statuses


def test_earlier_changes_of_the_same_history_are_there():
    """Without a look, with their stamps or without; where a stamp is not known any more, the number counts."""
    api = Api(storage := open_fragile())
    for _ in range(3):
        write_something(storage)
    api.get(PATH)
    ids = [str(entry.revision_id) for entry in storage.read(lambda reader: reader.log())]
    storage.is_away = True
    demands = [*ids, "1", f"0-{STAMP}"]
    assert {200} == {api.get(PATH, headers={DEMAND: demand}).status_code for demand in demands}


def make_content(*settings: str) -> MemoryStorage:
    """Make a storage with these settings, in as many revisions."""
    content = MemoryStorage()
    content.open()
    for name in settings:
        store(content, lambda writer, name=name: writer.add_setting(a_setting(name, features=())))
    return content
