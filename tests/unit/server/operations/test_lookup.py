"""Finding what a request names."""

import pytest

from heksher.server.errors import NotFoundError
from heksher.server.operations.lookup import find_setting, get_rule, get_setting
from heksher.server.storage.base import Reader, Storage


class NoReader:
    """A reader that must not be asked."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


@pytest.mark.parametrize("name", ["", "a\x00", "a b", "\ud800", "a\n"])
def test_what_can_be_no_name_is_not_looked_up(name: str):
    """Databases refuse some texts with an error."""
    assert find_setting(NoReader(), name) is None
    with pytest.raises(NotFoundError) as raised:
        get_setting(NoReader(), name)
    assert "setting" == raised.value.kind


def test_what_is_there_is_found(declared: Storage):
    """What is not is told with its name, shortened."""

    def work(reader: Reader) -> None:
        assert "cache_ttl" == get_setting(reader, "cache_ttl").name
        with pytest.raises(NotFoundError, match=r"^there is no setting named 'x{50}"):
            get_setting(reader, "x" * 5000)
        with pytest.raises(NotFoundError) as raised:
            get_rule(reader, 10**5000)
        assert "rule" == raised.value.kind

    declared.read(work)
