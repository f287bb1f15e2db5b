"""How a program's own tests set the values of settings, without a service: ``pytest examples/test_with_stubs.py``."""

from collections.abc import Iterator

import pytest

import heksher
from heksher.clients.stub import Rule, SyncStubHeksherClient

greeting = heksher.Setting("example.greeting", type=str, configurable_features=["country", "user"], default_value="hi")


def greet(user: str, country: str) -> str:
    """Stand in for the code under test."""
    return f"{greeting.get(user=user, country=country)}, {user}"


@pytest.fixture
def heksher_client() -> Iterator[SyncStubHeksherClient]:
    """Return a client that needs no service; it is the main client until the test ends."""
    with SyncStubHeksherClient() as client:
        yield client


def test_default(heksher_client: SyncStubHeksherClient) -> None:
    """Without rules, a setting has its default."""
    assert greet("alice", country="fr") == "hi, alice"


def test_one_value(heksher_client: SyncStubHeksherClient) -> None:
    """A plain value holds in every context."""
    heksher_client[greeting].rules = "hello"
    assert greet("alice", country="fr") == "hello, alice"


def test_rules(heksher_client: SyncStubHeksherClient) -> None:
    """Rules have conditions; features that are not named are wildcards."""
    heksher_client[greeting].rules = [Rule({"country": "fr"}, "bonjour"), Rule({"user": "bob"}, "yo")]
    assert greet("alice", country="fr") == "bonjour, alice"
    assert greet("bob", country="fr") == "yo, bob"


def test_for_a_while(heksher_client: SyncStubHeksherClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like any attribute, rules can be patched and are restored afterwards."""
    with monkeypatch.context() as patch:
        patch.setattr(heksher_client[greeting], "rules", "good evening")
        assert greet("alice", country="fr") == "good evening, alice"
    assert greet("alice", country="fr") == "hi, alice"
