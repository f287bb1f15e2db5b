"""A service with more rules than a database takes parameters, and one that answers without its database (trap 42)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from heksher.server.storage.base import LoggedChange, Writer
from tests.support.api import Api
from tests.support.catalogs import FragileStorage
from tests.support.storages import SqlPlace, a_setting, make_place

PATH = "/api/v1/query"
SETTINGS = 10
# Parameters of a statement are counted with 15 bits, or 16.
RULES = 50_000
# To each rule 4,999 others; to add them one by one would take a minute.
MULTIPLY = """
WITH RECURSIVE series(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM series WHERE number < 4999)
INSERT INTO rule (id, setting_id, conditions_digest, conditions, value, metadata)
SELECT id + 10 * number, setting_id, 'digest ' || number, conditions, '' || (id + 10 * number), metadata
FROM rule, series
"""


def seed(writer: Writer) -> None:
    """Store some settings with one rule each, whose value is its id."""
    writer.set_context_features(["user"])
    for number in range(SETTINGS):
        writer.add_setting(a_setting(f"s{number}"))
        writer.add_rule(f"s{number}", {"user": "ada"}, number + 1, {})
    writer.record(
        LoggedChange("seed", "context_features", "", {"context_features": []}, {"context_features": ["user"]})
    )


@pytest.fixture(params=["sqlite", "postgres"])
def large(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FragileStorage]:
    """A storage with many rules."""
    with make_place(request.param, tmp_path) as place:
        assert isinstance(place, SqlPlace)
        storage = FragileStorage(place.connect())
        storage.open()
        storage.write(seed)
        place.run_sql(MULTIPLY)
        yield storage
        storage.close()


@pytest.mark.trap(42)
def test_there_can_be_any_number_of_rules(large: FragileStorage):
    """All are answered; then nothing is asked of the database any more, whether it is there or not."""
    api = Api(large)
    answer = api.get(PATH)
    assert 200 == answer.status_code
    values = [rule["value"] for setting in answer.json()["settings"].values() for rule in setting["rules"]]
    assert list(range(1, RULES + 1)) == sorted(values)
    reads = large.reads
    large.is_away = True
    known = api.get(PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (304, b"") == (known.status_code, known.content)
    assert answer.content == api.get(PATH).content
    assert RULES // SETTINGS == len(api.query(settings="s7")["s7"]["rules"])
    assert reads == large.reads
