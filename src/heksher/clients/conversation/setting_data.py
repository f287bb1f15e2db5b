"""A setting as a service describes it, for programs that ask for all settings."""

from dataclasses import dataclass

from heksher.value_type import JSON


@dataclass
class SettingData:
    """A setting as the service holds it, in the words of the wire.

    Attributes:
        configurable_features: in the service's order.
        type: the type's text, such as ``Enum["a","b"]``.
        default_value: as JSON.
        aliases: earlier names.
        version: ``MAJOR.MINOR`` of the newest accepted declaration.

    Source: docs/reference/compatibility.md, *Settings*.
    """

    name: str
    configurable_features: list[str]
    type: str
    default_value: JSON
    metadata: dict[str, JSON]
    aliases: list[str]
    version: str
