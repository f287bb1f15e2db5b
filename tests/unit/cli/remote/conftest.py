"""A service with some settings and rules, and the commands that ask it."""

from datetime import UTC, datetime, timedelta

import pytest

from heksher.cli.remote import service
from heksher.server.storage.memory import MemoryStorage
from heksher.server.storage.usage_records import ClientRecord, SettingUse
from tests.support.api import Api
from tests.support.commands import Commands

LAST_MONTH = datetime(2026, 10, 28, 9, 30, tzinfo=UTC)


@pytest.fixture
def api() -> Api:
    api = Api()
    api.add_features("environment", "user", "theme")
    api.declare("cache_ttl")
    api.declare("banner", type="str", default_value="Welcome")
    api.add_rule("cache_ttl", {"environment": "dev"}, 20)
    api.add_rule("cache_ttl", {"environment": "dev", "user": "ada"}, 10)
    return api


@pytest.fixture
def commands(api: Api, monkeypatch: pytest.MonkeyPatch) -> Commands:
    # What the machine calls its user is no matter of these tests.
    monkeypatch.setattr(service.getpass, "getuser", lambda: "ada l.")
    return Commands(api, monkeypatch)


@pytest.fixture
def aged(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands on a service with settings of a year ago, of which the client "checkout" asked for one since."""
    long_ago = LAST_MONTH - timedelta(days=365)
    storage = MemoryStorage(lambda: long_ago)
    storage.open()
    api = Api(storage)
    api.add_features("environment", "user")
    for name in ("used", "unused"):
        api.declare(name)
    storage.note(lambda notes: notes.note_uses({}, (), long_ago))
    client = ClientRecord("checkout", "2.3", None, "checkout/2.3", datetime.now(UTC), 4)
    uses = {"used": SettingUse(datetime.now(UTC), "checkout/2.3")}
    storage.note(lambda notes: notes.note_uses(uses, [client], datetime.now(UTC)))
    return Commands(api, monkeypatch)
