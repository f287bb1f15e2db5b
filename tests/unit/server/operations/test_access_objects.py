"""What holds for tokens and people together."""

import pytest

from heksher.server.access.grants import parse_grants
from heksher.server.errors import DuplicateError, NotFoundError
from heksher.server.operations import people, tokens
from heksher.server.storage.base import NOBODY, Storage

READ = parse_grants(["read"])


def test_a_token_and_a_person_have_different_names(storage: Storage):
    """People who read lists and logs would take the two for one."""
    tokens.create(storage, "ci", READ, None, NOBODY)
    people.add(storage, "bob", READ, None, NOBODY)
    with pytest.raises(DuplicateError, match="there is a token named 'ci'"):
        people.add(storage, "ci", READ, None, NOBODY)
    with pytest.raises(DuplicateError, match="there is a person named 'bob'"):
        tokens.create(storage, "bob", READ, None, NOBODY)


def test_a_token_in_the_place_of_a_name_is_not_told(storage: Storage):
    """Of a token, or of a person: an error can be logged."""
    secret = tokens.create(storage, "ci", READ, None, NOBODY).result
    for remove, noun in ((tokens.revoke, "token"), (people.remove, "person")):
        with pytest.raises(NotFoundError, match=f"the name of a {noun}") as raised:
            remove(storage, secret, NOBODY)
        assert secret[4:] not in str(raised.value)
