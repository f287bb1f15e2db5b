"""A service for each test: in memory, and for those that are marked ``storages`` on each kind of storage.

What a storage guarantees is tested on all of them by its contract's suite. The API needs a sample beside that: each
route and each kind of write once. ``--full`` runs all tests on all of them.

What v1 has is also tested with a token in ``api_token``, as the published example sends it, on a service that asks for
one: nothing else may be different. Tests that are marked ``without_token`` are about what is: who is named as the one
who writes, and what other caches may keep.
"""

from collections.abc import Iterator

import pytest

from tests.support.api import FEATURES, Api
from tests.support.leased import GUARDED, leasing
from tests.support.storages import STORAGE_KINDS

# What the names of modules with tests of v1's routes begin with, and those about what v1 does not have.
V1_ROUTES = ("context_feature_routes", "declaration_routes", "query_routes", "rule_", "setting_")
ADDITIONS = {"declaration_routes_many", "declaration_routes_memory", "query_routes_additions"}


def pytest_generate_tests(metafunc: pytest.Metafunc):
    """Choose the storages that a test of a module that calls the API is run on."""
    if "Api" in vars(metafunc.module):
        is_everywhere = metafunc.definition.get_closest_marker("storages") or metafunc.config.getoption("--full")
        kinds = STORAGE_KINDS if is_everywhere else ["memory"]
        if _is_of_v1(metafunc):
            kinds = [*kinds, GUARDED]
        metafunc.parametrize("storage_kind", kinds, indirect=True)


def _is_of_v1(metafunc: pytest.Metafunc) -> bool:
    """Return whether existing programs see what a test is about, which then holds for them with a token as well."""
    subject = metafunc.module.__name__.rpartition("test_")[2]
    is_excepted = subject in ADDITIONS or metafunc.definition.get_closest_marker("without_token")
    return subject.startswith(V1_ROUTES) and not is_excepted


@pytest.fixture(autouse=True)
def storage_kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of storage that services of the test are on."""
    kind = getattr(request, "param", "memory")
    with leasing(kind):
        yield kind


@pytest.fixture
def api() -> Api:
    """A service with three context features and no settings."""
    return Api().begin_with(_add_features)


@pytest.fixture
def ruled(api: Api) -> Api:
    """A service with a setting ``b`` (once ``old``) that has rules on one, two and three features, and one without."""
    return api.begin_with(_add_rules)


def _add_features(api: Api) -> None:
    api.add_features(*FEATURES)


def _add_rules(api: Api) -> None:
    features = {"configurable_features": ["environment", "user", "theme"]}
    api.declare("old", **features)
    api.declare("b", **features, alias="old", version="1.1")
    api.declare("A", default_value=0)
    api.add_rule("b", {"user": "guest"}, 1)
    api.add_rule("b", {"user": "admin"}, 2)
    api.add_rule("b", {"theme": "dark", "environment": "dev"}, 3, metadata={"by": "me"})
    api.add_rule("b", {"user": "guest", "theme": "dark", "environment": "dev"}, 4)
