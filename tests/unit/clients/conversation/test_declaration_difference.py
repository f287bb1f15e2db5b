"""What differs between a declaration and its setting, in words."""

import pytest

from heksher.clients.conversation.declaration_difference import MALFORMED, describe_differences

DECLARED = {"name": "s", "type": "int", "configurable_features": ["a"], "default_value": 2, "metadata": {}}


def differ(attribute: str, latest_value: object) -> dict[str, object]:
    return {"level": "minor", "attribute": attribute, "latest_value": latest_value}


def test_the_newer_value_stands_last() -> None:
    """What is newer depends on who is: the service, for an outdated declaration, or the program."""
    differences = [differ("default_value", 1), differ("type", "float"), differ("name", "new")]
    assert [
        ["default changed 2 → 1", 'type changed "int" → "float"', 'name changed "s" → "new"'],
        ["default changed 1 → 2", 'type changed "float" → "int"', 'name changed "new" → "s"'],
    ] == [describe_differences(DECLARED, differences, is_service_newer=is_newer) for is_newer in (True, False)]


def test_a_message_is_said_as_it_is() -> None:
    """The service's own words need no other ones."""
    removal = "removal of configurable features ['b']"
    difference = {"level": "minor", "message": removal}
    assert [removal] == describe_differences(DECLARED, [difference], is_service_newer=True)


@pytest.mark.parametrize(
    "differences", [None, 1, [1], ["x"], [{}], [{"attribute": "x", "latest_value": 1}], [{"attribute": []}]]
)
def test_what_is_not_as_promised_is_noticed(differences: object) -> None:
    """The caller can show it as it is."""
    with pytest.raises(MALFORMED):
        describe_differences(DECLARED, differences, is_service_newer=True)
