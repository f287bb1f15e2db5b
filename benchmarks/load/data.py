"""What the service under load holds: one page of settings that is asked for, and any number of others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from heksher.server.access.token import digest_token, make_token
from heksher.server.app import open_storage
from heksher.server.config import Config
from heksher.server.operations.access_form import change_token
from heksher.server.operations.logged_change import change_features
from heksher.server.storage.access_records import TokenRecord
from heksher.server.storage.base import SettingRecord, Writer

FEATURES: Final = ("environment", "user", "theme")
RULES_PER_SETTING: Final = 10
# Its answer has about 20 KB, whatever else the service holds.
PAGE_SETTINGS: Final = 24
PAGE: Final = [f"page_{number}" for number in range(PAGE_SETTINGS)]
# What a program that uses the page asks for again and again.
PAGE_QUERY: Final = f"settings={','.join(PAGE)}&context_filters=*&include_metadata=false"
PAGE_PATH: Final = f"/api/v1/query?{PAGE_QUERY}"
# A value of this rule is changed to see a change.
CHANGED_RULE_PATH: Final = "/api/v1/rules/1/value"
JSON_BODY: Final = {"Content-Type": "application/json"}


def fill(database: Path | str, settings: int) -> None:
    """Make a database with so many settings, the page's among them, with ten rules each.

    All of it is one write, with one entry in the change log: a history is not what is measured.
    """
    names = [*PAGE, *(f"other_{number}" for number in range(settings - PAGE_SETTINGS))]
    with open_storage(Config(str(database), FEATURES)) as storage:
        storage.write(lambda writer: _add_settings(writer, names))


def give_tokens(database: Path | str, count: int, grant: str = "read") -> list[str]:
    """Put tokens that last for a year into a database, as one write; return them."""
    tokens = [make_token() for _ in range(count)]
    now = datetime.now(UTC).replace(microsecond=0)
    end = now + timedelta(days=365)
    records = [
        TokenRecord(name_token(number, grant), digest_token(token), (grant,), "benchmark", now, end)
        for number, token in enumerate(tokens)
    ]
    with open_storage(Config(str(database), FEATURES)) as storage:
        storage.write(lambda writer: _put_tokens(writer, records))
    return tokens


def name_token(number: int, grant: str = "read") -> str:
    """Return what one of these tokens is called, by its place."""
    return f"{grant}-{number}"


def _put_tokens(writer: Writer, records: list[TokenRecord]) -> None:
    for record in records:
        writer.put_token(record)
    writer.record(change_token("create", None, records[0], records[0].name))


def _add_settings(writer: Writer, names: list[str]) -> None:
    for name in names:
        writer.add_setting(SettingRecord(name, "int", 0, frozenset(FEATURES), "1.0"))
        for number in range(RULES_PER_SETTING):
            writer.add_rule(name, {"user": f"user_{number}", "theme": "dark"}, number, {})
    writer.record(change_features("fill", FEATURES, FEATURES))
