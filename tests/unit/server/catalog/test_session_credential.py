"""The session of somebody who has signed in, for as long as it holds."""

from dataclasses import replace

import pytest

from heksher.server.access.signed_session import sign
from heksher.server.catalog.access_picture import AccessPicture
from heksher.server.catalog.session_credential import SessionCredential, read_session
from heksher.server.storage.access_records import AccessRecords, PersonRecord

KEY = "the key"
ALICE = PersonRecord("alice", ("edit:a.",), None, epoch=3)
RECORDS = AccessRecords((), (ALICE,), KEY)
ACCESS = AccessPicture(RECORDS)


def read(access: AccessPicture = ACCESS, epoch: int = 3) -> SessionCredential | None:
    return read_session(access, sign(KEY, "alice", epoch, 1000), 1000)


def test_it_is_of_the_person_with_all_grants_that_they_have_now():
    """Not with those that they had then."""
    credential = read()
    assert ACCESS.persons["alice"].principal is credential.find_principal(ACCESS, 1001)
    promoted = AccessPicture(replace(RECORDS, persons=(replace(ALICE, grants=("admin",)),)))
    assert ("admin",) == credential.find_principal(promoted, 1001).grants.texts()


AFTERWARDS = {
    "signed out everywhere": replace(RECORDS, persons=(replace(ALICE, epoch=4),)),
    "of a restored database": replace(RECORDS, persons=(replace(ALICE, epoch=2),)),
    "removed": replace(RECORDS, persons=()),
    "another key": replace(RECORDS, signing_key="another"),
    "no key": replace(RECORDS, signing_key=""),
}


@pytest.mark.parametrize("records", AFTERWARDS.values(), ids=AFTERWARDS)
def test_it_ends_at_once(records: AccessRecords):
    """As what was opened with it, such as a stream, is to end."""
    assert read().find_principal(AccessPicture(records), 1001) is None


def test_it_ends_by_itself():
    """After half a day."""
    assert read().find_principal(ACCESS, 1000 + 12 * 3600 - 1) is not None
    assert read().find_principal(ACCESS, 1000 + 12 * 3600) is None


def test_what_is_no_cookie_is_no_session():
    """Nor is there one without a cookie."""
    assert [None] * 2 == [read_session(ACCESS, cookie, 1000) for cookie in (None, "x")]
    assert read(AccessPicture()) is None


def test_the_key_is_not_shown():
    """Where a credential is."""
    assert KEY not in repr(read())
