"""A setting as a service describes it."""

from heksher.clients.util import SettingData


def test_setting_data_has_the_published_attributes() -> None:
    """The attributes are those that the published client has, positional in this order too."""
    data = SettingData("size", ["a"], "int", 1, {"owner": "me"}, ["width"], "1.0")
    assert data.name == "size"
    assert data.configurable_features == ["a"]
    assert data.type == "int"
    assert data.default_value == 1
    assert data.metadata == {"owner": "me"}
    assert data.aliases == ["width"]
    assert data.version == "1.0"
