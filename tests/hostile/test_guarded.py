"""Attacks on a service that checks who may do what: no error of it, and nothing beyond what a grant allows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heksher.server.storage.base import RULE, SETTING
from tests.hostile.connection_attacks import list_connection_attacks, list_hidden_attacks, list_smuggling_attacks
from tests.hostile.credential_attacks import list_cookie_attacks, list_double_attacks, list_token_attacks
from tests.hostile.elsewhere_attacks import (
    USER,
    list_host_attacks,
    list_page_attacks,
    list_proxy_attacks,
    list_stranger_attacks,
)
from tests.hostile.guarded import Attack, Guarded, running_guarded
from tests.hostile.path_attacks import list_body_attacks, list_detour_attacks, list_path_attacks
from tests.hostile.prefix_attacks import (
    list_alias_attacks,
    list_declaration_attacks,
    list_many_attacks,
    list_rule_attacks,
)

ListAttacks = Callable[[Guarded], Iterator[Attack]]

LISTS: tuple[ListAttacks, ...] = (
    list_token_attacks, list_double_attacks, list_cookie_attacks, list_path_attacks, list_detour_attacks,
    list_body_attacks, list_page_attacks, list_host_attacks, list_stranger_attacks, list_declaration_attacks,
    list_rule_attacks, list_many_attacks, list_alias_attacks, list_connection_attacks, list_smuggling_attacks,
    list_hidden_attacks,
)  # fmt: skip
PROXIED = ("--proxy-user-header", USER, "--trusted-proxies")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A service that believes a proxy which is not there."""
    with running_guarded(tmp_path_factory.mktemp("guarded"), *PROXIED, "10.0.0.5") as guarded:
        yield guarded


@pytest.mark.parametrize("list_attacks", LISTS)
def test_no_attack_succeeds(guarded: Guarded, list_attacks: ListAttacks):
    """Each is answered as it should be, and changes only what it may."""
    assert [] == [fault for attack in list_attacks(guarded) for fault in guarded.try_out(attack)]
    assert [] == list_excesses(guarded)


def test_there_are_many(guarded: Guarded, record_property: Callable[[str, object], None]):
    """More than the two hundred that were promised."""
    number = sum(1 for list_attacks in LISTS for _ in list_attacks(guarded))
    record_property("access_attacks", number)
    assert number > 700


def test_a_trusted_proxy_cannot_be_used_by_others(tmp_path: Path):
    """Whom it names is that person, and nobody else; a page elsewhere can have nobody write."""
    with running_guarded(tmp_path, *PROXIED, "127.0.0.1") as guarded:
        assert [] == [fault for attack in list_proxy_attacks(guarded) for fault in guarded.try_out(attack)]


def list_excesses(guarded: Guarded) -> list[str]:
    """Return what stands in the change log that whoever did it had no grant for."""
    return [
        f"{entry.origin.actor}: {change}"
        for entry in guarded.read_log()
        if entry.origin.actor in guarded.tokens
        for change in entry.changes
        if not _may(entry.origin.actor, change.kind, change.setting if change.kind == RULE else change.key)
    ]


def _may(grant: str, kind: str, setting: str) -> bool:
    role, _, prefix = grant.partition(":")
    needed = {SETTING: "declare", RULE: "edit"}.get(kind)
    return role == "admin" or (role == needed and setting.startswith(prefix))
