"""Each answer of the query (docs/reference/compatibility.md, *Query*), its filters and its entity tags."""

import pytest

from tests.support.api import Api, locations

PATH = "/api/v1/query"
ORDER_HEADER = "Heksher-Context-Features"


def rule_ids(api: Api, **parameters: str) -> list[int]:
    return [rule["rule_id"] for rule in api.query(settings="b", **parameters)["b"]["rules"]]


@pytest.mark.storages
def test_everything_is_answered(ruled: Api):
    """Without parameters: all settings by canonical name, rules by id, conditions in feature order."""
    response = ruled.get(PATH)
    assert 200 == response.status_code
    assert {
        "settings": {
            "A": {"default_value": 0, "rules": []},
            "b": {
                "default_value": 60,
                "rules": [
                    {"rule_id": 1, "value": 1, "context_features": [["user", "guest"]]},
                    {"rule_id": 2, "value": 2, "context_features": [["user", "admin"]]},
                    {"rule_id": 3, "value": 3, "context_features": [["environment", "dev"], ["theme", "dark"]]},
                    {
                        "rule_id": 4,
                        "value": 4,
                        "context_features": [["environment", "dev"], ["user", "guest"], ["theme", "dark"]],
                    },
                ],
            },
        }
    } == response.json()
    assert ["A", "b"] == list(response.json()["settings"])


@pytest.mark.storages
def test_revision_is_told(ruled: Api):
    """The answer says at which revision it was true, also when it says that nothing is new."""
    first = ruled.get(PATH)
    ruled.post("/api/v1/context_features", json={"context_feature": "zone"})
    again = ruled.get(PATH)
    unchanged = ruled.get(PATH, headers={"If-None-Match": again.headers["etag"]})
    revision = ruled.revision()
    assert [str(revision - 1), str(revision), str(revision)] == [
        response.headers["Heksher-Revision"] for response in (first, again, unchanged)
    ]
    assert 304 == unchanged.status_code


def test_conditions_follow_the_services_order(ruled: Api):
    """When the order changes, so do the answer, its header and its tag."""
    before = ruled.get(PATH)
    ruled.patch("/api/v1/context_features/theme/index", json={"to_before": "environment"})
    after = ruled.get(PATH)
    assert [["theme", "dark"], ["environment", "dev"], ["user", "guest"]] == after.json()["settings"]["b"]["rules"][3][
        "context_features"
    ]
    assert ("environment,user,theme", "theme,environment,user") == (
        before.headers[ORDER_HEADER],
        after.headers[ORDER_HEADER],
    )
    assert before.headers["etag"] != after.headers["etag"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", []),
        ("A", ["A"]),
        ("b,A", ["A", "b"]),
        ("old", ["b"]),
        ("old,b,A,old", ["A", "b"]),
    ],
)
def test_settings_are_chosen_by_name_or_alias(ruled: Api, settings: str, expected: list[str]):
    """Each is answered once, under its canonical name; an empty list chooses none."""
    assert expected == list(ruled.query(settings=settings))


@pytest.mark.parametrize("unknown", ["c", "a", "b\n", "", " b", "\x00", "\ufffd", "💩", "*", "x" * 300])
def test_an_unknown_setting_is_not_found(ruled: Api, unknown: str):
    """One unknown name is enough for a 404, whose text names the unknown ones only."""
    response = ruled.get(PATH, params={"settings": f"b,{unknown},A"})
    assert (404, "text/plain; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert response.text.startswith(f"the following are not setting names: {[unknown[:50]]}"[:-2])


def test_many_unknown_settings_are_counted(ruled: Api):
    """The text names the first fifty."""
    response = ruled.get(PATH, params={"settings": ",".join(f"s{number}" for number in range(60))})
    assert response.text.endswith("'s48', 's49'] and 10 more")


def test_there_is_a_limit_on_names(ruled: Api):
    """A query names 10,000 settings at most, which is more than servers in between let through."""
    assert 404 == ruled.get(PATH, params={"settings": "a," * 9_999 + "a"}).status_code
    assert [["query", "settings"]] == locations(ruled.get(PATH, params={"settings": "a," * 10_000 + "a"}))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("*", [1, 2, 3, 4]),
        ("", []),
        ("user:*", [1, 2]),
        ("user:(guest)", [1]),
        ("user:(guest,admin,guest)", [1, 2]),
        ("user:(Guest)", []),
        ("theme:*", []),
        ("theme:*,environment:*", [3]),
        ("theme:(dark),environment:(dev,prod)", [3]),
        ("theme:(light),environment:*", []),
        ("environment:*,user:*,theme:*", [1, 2, 3, 4]),
        ("environment:*,user:(admin),theme:*", [2, 3]),
        ("unheard_of:*,user:(guest)", [1]),
        ("unheard_of:(a,b)", []),
    ],
)
def test_filters_let_rules_through(ruled: Api, filters: str, expected: list[int]):
    """A rule is returned when every one of its conditions is let through; unknown features are ignored."""
    assert expected == rule_ids(ruled, context_filters=filters)


@pytest.mark.trap(31)
@pytest.mark.parametrize("feature", ["user_id", "USER", "2fa", "_", "u1_D"])
def test_filters_on_any_feature_name_work(feature: str):
    """Capitals, digits and underscores are letters like others."""
    api = Api()
    api.add_features(feature)
    api.declare("a", configurable_features=[feature])
    assert [1, 2] == [api.add_rule("a", {feature: value}, 1) for value in ("x", "Y_1")]
    assert [1] == [rule["rule_id"] for rule in api.query(context_filters=f"{feature}:(x)")["a"]["rules"]]
    assert [2] == [rule["rule_id"] for rule in api.query(context_filters=f"{feature}:(Y_1)")["a"]["rules"]]


@pytest.mark.parametrize("filters", ["user:*,user:*", "user:(a),theme:*,user:(b)", "x:*,x:*"])
def test_a_feature_has_one_filter(ruled: Api, filters: str):
    """Twice the same is a 400 that names it."""
    response = ruled.get(PATH, params={"context_filters": filters})
    assert 400 == response.status_code
    assert repr(filters.partition(":")[0]) in response.json()["detail"]


@pytest.mark.parametrize(
    "filters",
    ["null", "**", "trust:()", "user", "user:", "user:guest", ":*", "user:(a", "user:a)", "user:(a,)", "user:(,a)",
     "user:(*)", "user:*,", ",user:*", "user:*,,theme:*", "user:* ", " user:*", "user:*\n", "*,user:*", "user:(a b)",
     "user:((a))", "user:(a)theme:(b)", "\x00", "us-er:*", "\ufffd", " "],
)  # fmt: skip
def test_malformed_filters_are_refused(ruled: Api, filters: str):
    """They are a 422 that names the parameter."""
    assert [["query", "context_filters"]] == locations(ruled.get(PATH, params={"context_filters": filters}))


def test_there_is_a_limit_on_filters(ruled: Api):
    """A query has 1,000 filters at most."""
    filters = [f"f{number}:*" for number in range(1001)]
    assert 200 == ruled.get(PATH, params={"context_filters": ",".join(filters[1:])}).status_code
    response = ruled.get(PATH, params={"context_filters": ",".join(filters)})
    assert [["query", "context_filters"]] == locations(response)


@pytest.mark.storages
@pytest.mark.parametrize(("text", "expected"), [("true", [{}, {}, {"by": "me"}, {}]), ("false", [None] * 4)])
def test_metadata_is_included_on_demand(ruled: Api, text: str, expected: list):
    """Each rule then has its metadata."""
    rules = ruled.query(settings="b", include_metadata=text)["b"]["rules"]
    assert expected == [rule.get("metadata") for rule in rules]


def test_include_metadata_is_true_or_false(ruled: Api):
    """Anything else is a 422."""
    assert [["query", "include_metadata"]] == locations(ruled.get(f"{PATH}?include_metadata=maybe"))


@pytest.mark.parametrize("parameter", ["settings", "context_filters", "include_metadata"])
def test_a_parameter_stands_once(ruled: Api, parameter: str):
    """Twice is a 422: one of the two would be ignored silently."""
    assert [["query", parameter]] == locations(ruled.get(f"{PATH}?{parameter}=A&{parameter}=b"))


@pytest.mark.storages
@pytest.mark.trap(36)
def test_a_known_answer_is_not_sent_again(ruled: Api):
    """With its tag, in a list or weak, or with a star, the answer is a 304 with the same tag and order."""
    tag = ruled.get(PATH).headers["etag"]
    for known in (tag, f'"x", {tag}', f'{tag},"x"', f"W/{tag}", "*", f' "a" , W/{tag} ', " * "):
        response = ruled.get(PATH, headers={"If-None-Match": known})
        assert (304, b"", tag) == (response.status_code, response.content, response.headers["etag"])
        assert "environment,user,theme" == response.headers[ORDER_HEADER]


@pytest.mark.trap(36)
def test_a_tag_is_matched_as_a_whole(ruled: Api):
    """Parts of it, and texts that contain it, are other tags."""
    tag = ruled.get(PATH).headers["etag"]
    opaque = tag.strip('"')
    wrong = [opaque, f'"{opaque[:-1]}"', f'"{opaque}0"', f'"0{opaque}"', opaque[3:9], "", '""', '"*"', f'"W/{opaque}"']
    for other in wrong:
        assert 200 == ruled.get(PATH, headers={"If-None-Match": other}).status_code


def test_several_lines_of_tags_are_one_list(ruled: Api):
    """A header may be sent in parts."""
    tag = ruled.get(PATH).headers["etag"]
    headers = [("If-None-Match", '"x"'), ("If-None-Match", tag)]
    assert 304 == ruled.get(PATH, headers=headers).status_code


def test_errors_come_before_tags(ruled: Api):
    """A star does not turn an error into a 304."""
    headers = {"If-None-Match": "*"}
    assert [404, 400, 422] == [
        ruled.get(f"{PATH}?{query}", headers=headers).status_code
        for query in ("settings=c", "context_filters=user:*,user:*", "context_filters=null")
    ]


def test_a_tag_stands_for_the_content(ruled: Api):
    """It is the same until the content changes, and other questions with other answers have other tags."""
    tag = ruled.get(PATH).headers["etag"]
    ruled.put("/api/v1/rules/1/metadata", json={"metadata": {"a": 1}})
    assert tag == ruled.get(PATH).headers["etag"]
    questions = ("include_metadata=true", "settings=", "settings=A")
    others = {ruled.get(f"{PATH}?{question}").headers["etag"] for question in questions}
    ruled.put("/api/v1/rules/1/value", json={"value": 5})
    others.add(ruled.get(PATH).headers["etag"])
    assert 4 == len(others - {tag})


@pytest.mark.storages
@pytest.mark.trap(21)
def test_the_tag_covers_the_feature_order(api: Api):
    """The order changes the tag even of an answer whose rules look the same."""
    api.declare("a")
    api.add_rule("a", {"user": "x"}, 1)
    before = api.get(PATH)
    api.patch("/api/v1/context_features/theme/index", json={"to_before": "environment"})
    after = api.get(PATH, headers={"If-None-Match": before.headers["etag"]})
    assert (200, before.json()) == (after.status_code, after.json())


@pytest.mark.without_token
def test_answers_must_be_revalidated(ruled: Api):
    """A cache in between must ask again."""
    assert "no-cache" == ruled.get(PATH).headers["cache-control"]


@pytest.mark.parametrize(
    "demand", ["5.0", "1_0", "+1", "-0", "x", "abc,1", "1,,1", "", "1" * 19, "1" * 5000], ids=lambda text: text[:20]
)
def test_malformed_demand_is_refused(ruled: Api, demand: str):
    """A demand for a revision is digits; anything else is refused, whether or not the answer is in memory."""
    answers = [ruled.get(PATH, headers={"Heksher-Min-Revision": demand}) for _ in range(2)]
    ruled.get(PATH)
    answers.append(ruled.get(PATH, headers={"Heksher-Min-Revision": demand}))
    assert [["header", "Heksher-Min-Revision"]] * 3 == [locations(answer)[0] for answer in answers]


def test_repeated_demand_is_read_once(ruled: Api):
    """Of a demand that stands twice the same one is checked and used."""
    headers = [("Heksher-Min-Revision", "1"), ("Heksher-Min-Revision", "x")]
    assert 422 == ruled.get(PATH, headers=headers).status_code
    assert 422 == ruled.get(PATH, headers=headers[::-1]).status_code
    assert 200 == ruled.get(PATH, headers=headers[:1] * 2).status_code
    assert 200 == ruled.get(PATH, headers={"Heksher-Min-Revision": "0 ,\t1"}).status_code
