"""The limits in a setting's metadata, as every write of a setting or rule checks them."""

from functools import partial

import pytest

from heksher.server.errors import ConflictError, InvalidInputError, NotAcceptableError
from heksher.server.json_bytes import encode
from heksher.server.limits import MAX_LIMITS_BYTES
from heksher.server.operations import limit_schema, metadata, rules
from heksher.server.operations.bulk import run_all
from heksher.server.operations.declaration import DeclarationResult, declare, declare_many
from heksher.server.operations.differences import Difference
from heksher.server.operations.limit_schema import find_schema_fault
from heksher.server.operations.loading import Contents, load
from heksher.server.operations.value_limits import LIMITS_KEY, ValueLimits, find_limits_fault, have_other_limits
from heksher.server.storage.base import NOBODY, RuleRecord, SettingRecord, Storage
from heksher.server.storage.gathering_writer import Lookups
from heksher.value_type import JSON
from tests.support.operations import declaring, find, read_revision

LIMITED = {LIMITS_KEY: {"minimum": 0, "maximum": 100}}
UNREADABLE = {LIMITS_KEY: {"pattern": "a"}}
BROKEN_BY_BOTH = {LIMITS_KEY: {"maximum": 5}}


@pytest.fixture
def limited(storage: Storage) -> Storage:
    """A storage with the setting ``cache_ttl`` between 0 and 100, default 60, and rule 1 with the value 50."""
    declare(storage, declaring(metadata=LIMITED), NOBODY)
    rules.add(storage, "cache_ttl", {"user": "a"}, 50, {}, NOBODY)
    return storage


def load_unchecked(storage: Storage, metadata: dict) -> None:
    """Import the setting, and rule 1 of the value 50, from a service that keeps limits without checking them."""
    setting = SettingRecord("cache_ttl", "int", 60, frozenset({"user"}), "1.0", metadata)
    rule = RuleRecord(1, "cache_ttl", {"user": "a"}, 50)
    load(storage, Contents(("environment", "user", "theme"), [setting], [rule], 2), NOBODY)


def test_a_rule_outside_the_limits_is_refused(limited: Storage):
    """When it is added, and when its value changes."""
    before = read_revision(limited)
    with pytest.raises(NotAcceptableError, match=r'101 is outside the limits .*: 101 breaks "maximum": 100'):
        rules.add(limited, "cache_ttl", {"user": "b"}, 101, {}, NOBODY)
    with pytest.raises(NotAcceptableError, match='"minimum": 0'):
        rules.set_value(limited, 1, -1, NOBODY)
    assert before == read_revision(limited)
    rules.set_value(limited, 1, 100, NOBODY)


def test_a_declared_default_outside_the_limits_is_refused(limited: Storage):
    """Of a new setting and in an upgrade, also if only the limits are other ones."""
    before = read_revision(limited)
    for declaration in (
        declaring("other", metadata=LIMITED, default_value=101),
        declaring(metadata=LIMITED, default_value=101, version="1.1"),
        declaring(metadata={LIMITS_KEY: {"maximum": 55}}, version="1.1"),
    ):
        with pytest.raises(InvalidInputError, match="the default value is outside the limits") as it:
            declare(limited, declaration, NOBODY)
        assert ("default_value",) == it.value.location
    assert before == read_revision(limited)


@pytest.mark.parametrize("value", [True, None, {"pattern": "a"}])
def test_limits_that_cannot_be_read_are_refused(limited: Storage, value: object):
    """Whatever declares them, or edits metadata."""
    before = read_revision(limited)
    unreadable = {LIMITS_KEY: value}
    for write in (
        lambda: declare(limited, declaring("other", metadata=unreadable), NOBODY),
        lambda: declare(limited, declaring(metadata=unreadable, version="1.1"), NOBODY),
        lambda: metadata.edit_of_setting(limited, "cache_ttl", metadata.merge(unreadable), "1.1", NOBODY),
    ):
        with pytest.raises(InvalidInputError, match="limits of values are JSON Schema of some keywords: ") as it:
            write()
        assert ("metadata", LIMITS_KEY) == it.value.location
    assert before == read_revision(limited)


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_declaration_whose_limits_rules_break_is_rejected(limited: Storage, version: str):
    """In any version, as nothing that it could say would make the rules fit."""
    before = read_revision(limited)
    declaration = declaring(metadata={LIMITS_KEY: {"maximum": 10}}, default_value=5, version=version)
    message = (
        'limits of values (value-schema) broken by the values of rules [1]; that of rule 1: 50 breaks "maximum": 10'
    )
    differences = (
        Difference("minor", "default_value", 60),
        Difference("minor", "metadata", LIMITED),
        Difference("mismatch", message=message),
    )
    result = declare(limited, declaration, NOBODY).result
    assert DeclarationResult("rejected", "1.0", differences) == result
    assert (result,) == declare_many(limited, [declaration], NOBODY).result
    assert before == read_revision(limited)


def test_the_same_version_with_other_limits_is_a_mismatch(limited: Storage):
    """As with other metadata; what would break them is told, too."""
    result = declare(limited, declaring(metadata=BROKEN_BY_BOTH, default_value=5), NOBODY).result
    assert ("mismatch", "mismatch") == (result.outcome, result.differences[-1].level)


def test_metadata_whose_limits_present_values_break_are_refused(limited: Storage):
    """The default and the rules are told each; limits that they keep are taken."""
    before = read_revision(limited)
    for edit in (metadata.merge(BROKEN_BY_BOTH), metadata.overwrite(BROKEN_BY_BOTH)):
        with pytest.raises(ConflictError) as it:
            metadata.edit_of_setting(limited, "cache_ttl", edit, "1.1", NOBODY)
        assert (
            'limits of values broken by the default value 60: 60 breaks "maximum": 5',
            'limits of values (value-schema) broken by the values of rules [1]; that of rule 1: 50 breaks "maximum": 5',
        ) == it.value.conflicts
    assert before == read_revision(limited)
    metadata.edit_of_setting(limited, "cache_ttl", metadata.merge({LIMITS_KEY: {"maximum": 60}}), "1.1", NOBODY)
    metadata.edit_of_setting(limited, "cache_ttl", metadata.remove_key(LIMITS_KEY), "1.2", NOBODY)
    rules.set_value(limited, 1, 1_000, NOBODY)


def test_what_was_stored_unchecked_stays(storage: Storage):
    """Values outside limits are no obstacle to changes of something else, and none to the same declaration."""
    load_unchecked(storage, BROKEN_BY_BOTH)
    same = {"features": ("user",), "metadata": BROKEN_BY_BOTH}
    assert "uptodate" == declare(storage, declaring(**same), NOBODY).result.outcome
    metadata.edit_of_setting(storage, "cache_ttl", metadata.merge({"k": 1}), "1.1", NOBODY)
    result = declare(storage, declaring(**{**same, "metadata": {**BROKEN_BY_BOTH, "k": 2}}, version="1.2"), NOBODY)
    assert "upgraded" == result.result.outcome
    with pytest.raises(InvalidInputError):
        declare(storage, declaring(**same, default_value=6, version="1.3"), NOBODY)
    with pytest.raises(NotAcceptableError):
        rules.set_value(storage, 1, 6, NOBODY)


def test_unreadable_limits_that_were_stored_unchecked_limit_nothing(storage: Storage):
    """A program may have used the key for something else; what it wrote stays valid until it is changed."""
    load_unchecked(storage, UNREADABLE)
    rules.set_value(storage, 1, 1_000, NOBODY)
    declare(storage, declaring(features=("user",), metadata=UNREADABLE, default_value=7, version="1.1"), NOBODY)
    assert 7 == find(storage, "cache_ttl").default_value
    metadata.edit_of_setting(storage, "cache_ttl", metadata.merge({"k": 1}), "1.2", NOBODY)
    assert ValueLimits(UNREADABLE).find_fault(5) is None
    assert (find_limits_fault(UNREADABLE) or "").startswith('"pattern" is none of the keywords')


def test_limits_of_a_rules_own_metadata_mean_nothing(limited: Storage):
    """Only those of its setting do."""
    metadata.edit_of_rule(limited, 1, metadata.merge(UNREADABLE), NOBODY)
    rules.set_value(limited, 1, 7, NOBODY)


def test_limits_are_compared_as_json():
    """1 is 1.0, but null is not the same as nothing."""
    assert not have_other_limits({LIMITS_KEY: {"minimum": 1}, "k": 1}, {LIMITS_KEY: {"minimum": 1.0}})
    assert have_other_limits({LIMITS_KEY: None}, {})
    assert have_other_limits({}, {LIMITS_KEY: None})
    assert not have_other_limits({"k": 1}, {})


def test_limits_are_read_once_for_rules_that_are_written_together(limited: Storage, monkeypatch: pytest.MonkeyPatch):
    """Large ones take long to read, and other writes wait."""
    reads: list[object] = []

    def find_fault(schema: JSON) -> str | None:
        reads.append(schema)
        return find_schema_fault(schema)

    monkeypatch.setattr(limit_schema, "find_schema_fault", find_fault)
    steps = [
        partial(
            rules.add, setting_name="cache_ttl", conditions={"user": f"{number}"}, value=1, metadata={}, origin=NOBODY
        )
        for number in range(20)
    ]
    lookups = Lookups(rules=[("cache_ttl", {"user": f"{number}"}) for number in range(20)])
    run_all(limited, steps, NOBODY, lookups)
    assert 1 == len(reads)


def test_limits_are_bounded_in_size(limited: Storage):
    """In bytes of their JSON; larger ones that were stored unchecked limit nothing."""
    largest: dict[str, JSON] = {"enum": ["x" * (MAX_LIMITS_BYTES - 13)]}
    assert MAX_LIMITS_BYTES == len(encode(largest))
    assert find_limits_fault({"value-schema": largest}) is None
    assert ValueLimits({"value-schema": largest}).find_fault(1)
    larger: dict[str, JSON] = {"enum": ["x" * (MAX_LIMITS_BYTES - 12)]}
    assert "these have 65,537 bytes, and may have 65,536" == find_limits_fault({"value-schema": larger})
    assert ValueLimits({"value-schema": larger}).find_fault(1) is None
