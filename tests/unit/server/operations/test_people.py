"""People: what is stored and logged of them, and what is refused."""

import pytest

from heksher.server.access.grants import NOTHING, parse_grants
from heksher.server.access.password import verify_password
from heksher.server.errors import ConflictError, DuplicateError, InvalidInputError, NotFoundError, NotPermittedError
from heksher.server.operations import people, tokens
from heksher.server.storage.base import LoggedChange, Storage
from tests.support.operations import read_last, read_revision
from tests.support.principals import ADMIN, NO_ADMIN, find_person

READ = parse_grants(["read"])
EDIT = parse_grants(["edit:frontend.", "declare"])
ALL = parse_grants(["admin"])
PASSWORD = "correct horse"  # noqa: S105 - of nobody
FIELDS = {"grants": ["read"], "has_password": True, "issuer": None, "subject": None, "epoch": 4}


@pytest.fixture
def known(storage: Storage) -> Storage:
    """A storage at revision 4, with a person named ``bob``, who may read."""
    people.add(storage, "bob", READ, PASSWORD, ADMIN)
    return storage


def test_a_person_is_stored_with_what_verifies_the_password(known: Storage):
    """And not with the password."""
    bob = find_person(known, "bob")
    assert (("read",), None, None) == (bob.grants, bob.issuer, bob.subject)
    assert (True, False) == (
        verify_password(bob.password_hash, PASSWORD),
        verify_password(bob.password_hash, "wrong horse"),
    )
    assert (bob,) == people.list_all(known)


def test_an_addition_is_logged_without_what_is_secret(known: Storage):
    """Neither the password nor what is stored of it."""
    entry = read_last(known)
    assert (LoggedChange("add", "person", "bob", None, FIELDS), ADMIN) == (entry.change, entry.origin)
    assert "argon2" not in repr(entry)


def test_somebody_who_signs_in_elsewhere_has_no_password(storage: Storage):
    """And may have no grants yet."""
    people.add(storage, "eve", NOTHING, None, ADMIN)
    eve = find_person(storage, "eve")
    assert (None, ()) == (eve.password_hash, eve.grants)
    assert (False, []) == tuple(read_last(storage).change.after[key] for key in ("has_password", "grants"))


def test_a_name_is_given_once(known: Storage):
    """Two people cannot be told apart otherwise."""
    with pytest.raises(DuplicateError, match="'bob' already"):
        people.add(known, "bob", READ, None, ADMIN)


@pytest.mark.parametrize(("name", "password", "location"), [(" a", None, "name"), ("eve", "short", "password")])
def test_what_nobody_can_have_is_refused(storage: Storage, name: str, password: str | None, location: str):
    """At its place in the request; nothing is stored."""
    with pytest.raises(InvalidInputError) as raised:
        people.add(storage, name, READ, password, ADMIN)
    assert ((location,), 3) == (raised.value.location, read_revision(storage))


def test_grants_are_replaced(known: Storage):
    """The log has both; what is as it was is not logged, and whoever is signed in stays so."""
    people.set_grants(known, "bob", EDIT, ADMIN)
    change = LoggedChange(
        "set grants", "person", "bob", {"grants": ["read"]}, {"grants": ["edit:frontend.", "declare"]}
    )
    assert (change, 4) == (read_last(known).change, find_person(known, "bob").epoch)
    assert 5 == people.set_grants(known, "bob", EDIT, ADMIN).revision
    assert 5 == read_revision(known)


def test_a_new_password_takes_the_place_of_the_old_one(known: Storage):
    """And no cookie from before is valid any more; the log has neither of both."""
    people.set_password(known, "bob", "another horse", ADMIN)
    bob, entry = find_person(known, "bob"), read_last(known)
    assert [False, True] == [verify_password(bob.password_hash, text) for text in (PASSWORD, "another horse")]
    assert LoggedChange("set password", "person", "bob", {"epoch": 4}, {"epoch": 5}) == entry.change
    assert "argon2" not in repr(entry)


def test_who_is_signed_out_everywhere_keeps_the_password(known: Storage):
    """It is another epoch, however often."""
    before = find_person(known, "bob")
    for epoch in (5, 6):
        people.sign_out(known, "bob", ADMIN)
        bob = find_person(known, "bob")
        assert (epoch, before.password_hash) == (bob.epoch, bob.password_hash)
    assert "sign out" == read_last(known).change.action


def test_who_is_added_again_has_another_epoch(known: Storage):
    """So no cookie of the one who was removed is valid, whatever their epochs were."""
    people.sign_out(known, "bob", ADMIN)
    removed = find_person(known, "bob")
    people.remove(known, "bob", ADMIN)
    expected = LoggedChange("remove", "person", "bob", FIELDS | {"epoch": 5}, None)
    assert (expected, ()) == (read_last(known).change, people.list_all(known))
    people.add(known, "bob", READ, PASSWORD, ADMIN)
    assert find_person(known, "bob").epoch > removed.epoch


def test_an_epoch_above_the_revision_is_raised(known: Storage):
    """As there can be one after a backup was restored."""

    def work(writer) -> None:
        bob = find_person(known, "bob")
        writer.put_person(type(bob)(bob.name, bob.grants, bob.password_hash, epoch=1000))
        writer.record(LoggedChange("restore", "person", "bob", {}, {}))

    known.write(work)
    people.sign_out(known, "bob", ADMIN)
    assert 1001 == find_person(known, "bob").epoch


def test_a_key_is_replaced_by_another_one(storage: Storage):
    """Of which the log says nothing but that."""
    keys = []
    for _ in range(2):
        people.rotate_key(storage, ADMIN)
        keys.append(storage.read(lambda reader: reader.access().signing_key))
        assert LoggedChange("rotate", "signing_key", "", {}, {}) == read_last(storage).change
    assert (2, True) == (len(set(keys)), min(map(len, keys)) >= 43)


CALLS = [
    lambda storage, name, origin: people.set_grants(storage, name, ALL, origin),
    lambda storage, name, origin: people.set_password(storage, name, PASSWORD, origin),
    people.sign_out,
    people.remove,
]


@pytest.mark.parametrize("call", CALLS)
def test_an_unknown_person_is_not_found(known: Storage, call):
    """Whatever is asked for."""
    for name in ("x", "a\x00", "x" * 5000):
        with pytest.raises(NotFoundError) as raised:
            call(known, name, ADMIN)
        assert ("person", True) == (raised.value.kind, len(str(raised.value)) < 200)


@pytest.mark.parametrize(
    "call",
    [
        *CALLS,
        lambda storage, _, origin: people.add(storage, "eve", ALL, None, origin),
        lambda storage, _, origin: people.rotate_key(storage, origin),
    ],
)
def test_only_admins_may(known: Storage, call):
    """Others are not even told who there is."""
    for name in ("bob", "x"):
        with pytest.raises(NotPermittedError, match="the grant admin"):
            call(known, name, NO_ADMIN)
    assert 4 == read_revision(known)


@pytest.mark.parametrize(
    "call",
    [
        lambda storage, **where: people.remove(storage, "ada", ADMIN, **where),
        lambda storage, **where: people.set_grants(storage, "ada", READ, ADMIN, **where),
    ],
)
def test_the_last_admin_goes_on_the_machine_only(known: Storage, call):
    """Where another one can be made."""
    people.add(known, "ada", ALL, PASSWORD, ADMIN)
    with pytest.raises(ConflictError, match="nobody else who can come in has the grant admin"):
        call(known)
    assert (5, ("admin",)) == (read_revision(known), find_person(known, "ada").grants)
    call(known, ways_in=None)
    assert 6 == read_revision(known)


def test_an_admin_can_go_where_there_is_another_one(storage: Storage):
    """A token, too."""
    people.add(storage, "ada", ALL, PASSWORD, ADMIN)
    tokens.create(storage, "root", ALL, None, ADMIN)
    people.remove(storage, "ada", ADMIN)
    assert () == people.list_all(storage)
