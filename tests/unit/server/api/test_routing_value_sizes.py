"""How large a value can be: on each route that takes one."""

from collections.abc import Callable

import httpx2
import pytest

from heksher.server.config import Config
from heksher.server.limits import MAX_VALUE_BYTES
from tests.support.api import Api

MAX = 1000
# As JSON it has as many bytes as are taken, and one more.
FITS, LARGE = "x" * (MAX - 2), "x" * (MAX - 1)
# The same for metadata with one key.
METADATA_FIT, METADATA_LARGE = ({"k": "x" * (size - len('{"k":""}'))} for size in (MAX, MAX + 1))

Send = Callable[[Api, bool], httpx2.Response]


def value(is_large: bool) -> str:
    return LARGE if is_large else FITS


def metadata(is_large: bool) -> dict:
    return METADATA_LARGE if is_large else METADATA_FIT


ROUTES: dict[str, tuple[str, Send]] = {
    "default value": (
        "default_value", lambda api, large: api.try_declare("new", type="str", default_value=value(large)),
    ),
    "declared metadata": ("metadata", lambda api, large: api.try_declare("new", metadata=metadata(large))),
    "new rule": ("value", lambda api, large: api.try_add_rule("s", {"user": "a"}, value(large))),
    "metadata of a new rule": (
        "metadata", lambda api, large: api.try_add_rule("s", {"user": "a"}, "", metadata=metadata(large)),
    ),
    "value": ("value", lambda api, large: api.put("/api/v1/rules/1/value", json={"value": value(large)})),
    "value, the older way": ("value", lambda api, large: api.patch("/api/v1/rules/1", json={"value": value(large)})),
    "metadata of a rule, some": (
        "metadata", lambda api, large: api.post("/api/v1/rules/1/metadata", json={"metadata": metadata(large)}),
    ),
    "metadata of a rule, all": (
        "metadata", lambda api, large: api.put("/api/v1/rules/1/metadata", json={"metadata": metadata(large)}),
    ),
    "metadata of a rule, a key": (
        "metadata", lambda api, large: api.put("/api/v1/rules/1/metadata/k", json={"value": metadata(large)["k"]}),
    ),
    "metadata of a setting, some": (
        "metadata",
        lambda api, large: api.post(
            "/api/v1/settings/s/metadata", json={"metadata": metadata(large), "version": "1.1"}
        ),
    ),
    "metadata of a setting, all": (
        "metadata",
        lambda api, large: api.put("/api/v1/settings/s/metadata", json={"metadata": metadata(large), "version": "1.1"}),
    ),
    "metadata of a setting, a key": (
        "metadata",
        lambda api, large: api.put(
            "/api/v1/settings/s/metadata/k", json={"value": metadata(large)["k"], "version": "1.1"}
        ),
    ),
}  # fmt: skip


@pytest.fixture
def api() -> Api:
    """A service with a setting and a rule, which takes values of ``MAX`` bytes."""
    api = Api(config=Config(database="unused", max_value_bytes=MAX))
    api.add_features("environment", "user")
    api.declare("s", type="str", default_value="")
    api.add_rule("s", {"environment": "a"}, "")
    return api


@pytest.mark.parametrize(("name", "send"), ROUTES.values(), ids=ROUTES.keys())
def test_a_value_that_is_too_large_is_refused(api: Api, name: str, send: Send):
    """By a 422 that says so, and with which option more is taken; nothing is stored. One that just fits is taken."""
    before = api.storage.read(lambda reader: reader.revision())
    response = send(api, True)
    (fault,) = response.json()["detail"]
    assert (422, ["body", name]) == (response.status_code, fault["loc"])
    assert "has 1,001 bytes, and this service takes at most 1,000 (HEKSHER_MAX_VALUE_BYTES)" in fault["msg"]
    assert before == api.storage.read(lambda reader: reader.revision())
    assert send(api, False).is_success
    assert before + 1 == api.storage.read(lambda reader: reader.revision())


def test_of_many_declarations_only_the_large_ones_are_refused(api: Api):
    """The others are stored."""
    declared = [
        {"name": name, "type": "str", "default_value": default, "configurable_features": ["user"]}
        for name, default in [("a", FITS), ("b", LARGE), ("c", FITS)]
    ]
    answers = api.post("/api/v1/settings/declare-many", json=declared).json()
    assert [200, 422, 200] == [answer["status"] for answer in answers]


def test_what_is_known_is_declared_though_it_is_too_large(api: Api):
    """Its bound was lowered, or an import brought it: programs start, and only what is new is refused."""
    smaller = Api(api.storage, Config(database="unused", max_value_bytes=10))
    api.declare("large", type="str", default_value=FITS, metadata={"k": 1})
    assert 200 == smaller.try_declare("large", type="str", default_value=FITS, metadata={"k": 1}).status_code
    upgrade = {"type": "str", "default_value": FITS, "version": "1.1", "metadata": {"k": 2}}
    assert "upgraded" == smaller.try_declare("large", **upgrade).json()["outcome"]
    assert 422 == smaller.try_declare("large", **{**upgrade, "version": "1.2", "default_value": "x" * 9}).status_code


def test_a_mebibyte_is_taken_without_an_option():
    """A value that was logged for each of many changes of 4 MB would fill the disk."""
    api = Api()
    api.add_features("environment", "user")
    assert 1024 * 1024 == MAX_VALUE_BYTES
    assert 422 == api.try_declare("a", type="str", default_value="x" * (MAX_VALUE_BYTES - 1)).status_code
    assert 200 == api.try_declare("a", type="str", default_value="x" * (MAX_VALUE_BYTES - 2)).status_code
