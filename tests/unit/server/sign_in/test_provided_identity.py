"""Whom the service takes people for who sign in through a provider."""

from heksher.server.access.grants import EVERYTHING, parse_grants
from heksher.server.sign_in.provided_identity import ProvidedIdentity, keep_person, read_identity
from heksher.server.storage.memory import MemoryStorage
from tests.support.access import give_token


def test_nobody_is_called_like_somebody_else_or_a_token():
    """At some providers people choose what they are called, and whoever reads the change log goes by names."""
    storage = MemoryStorage()
    storage.open()
    give_token(storage, "declare", name="checkout")
    kept = [
        keep_person(storage, ProvidedIdentity("i", subject, "checkout", ()), EVERYTHING) for subject in ("a", "b", "a")
    ]
    assert ["checkout (2)", "checkout (3)", "checkout (2)"] == [person.name for person in kept]


def test_the_log_does_not_say_that_somebody_else_has_signed_in():
    """Whatever they are called at the provider, at the first time and later: the entry is about them, by nobody."""
    storage = MemoryStorage()
    storage.open()
    give_token(storage, "admin", name="root")
    for name, grants in (("root", "read"), ("root", "edit"), ("bob", "admin")):
        keep_person(storage, ProvidedIdentity("i", "s", name, ()), parse_grants([grants]))
    entries = storage.read(lambda reader: reader.log())[1:]
    assert [("root (2)", "heksher", "nobody")] * 3 == [
        (entry.change.key, entry.origin.actor, entry.origin.actor_kind) for entry in entries
    ]


def test_a_name_has_one_form():
    """Two that look the same could be two people otherwise."""
    names = [
        read_identity({"iss": "i", "sub": "s", "name": name}, None, "groups").name for name in ("\u00c4da", "A\u0308da")
    ]
    assert ["\u00c4da"] * 2 == names
