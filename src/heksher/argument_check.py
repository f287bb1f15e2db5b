"""Checks of the types of a setting's arguments, so that a mistake is named where it is made.

What a service would make of the values is another question, see ``declaration_check``.
"""

from collections.abc import Iterable, Mapping

from heksher.exceptions import ArgumentTypeError
from heksher.wording import describe_value


def check_setting_arguments(
    name: object, features: Iterable[object], metadata: object, alias: object, version: object
) -> None:
    """Check the types of a setting's attributes, but for its type and default value.

    Raises:
        ArgumentTypeError: (a ``TypeError``) one is of another type; the message names setting, attribute and value.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the name of a setting must be a str, not {describe_value(name)}")
    for feature in features:
        if not isinstance(feature, str):
            raise ArgumentTypeError(
                f"setting {name!r}: configurable_features must be names, not {describe_value(feature)}"
            )
    if not (metadata is None or isinstance(metadata, Mapping)):
        raise ArgumentTypeError(f"setting {name!r}: metadata must be a mapping, not {describe_value(metadata)}")
    for key in metadata or ():
        if not isinstance(key, str):
            raise ArgumentTypeError(f"setting {name!r}: a key of metadata must be a str, not {describe_value(key)}")
    if not (alias is None or isinstance(alias, str)):
        raise ArgumentTypeError(f"setting {name!r}: alias must be a str, not {describe_value(alias)}")
    if not isinstance(version, str):
        raise ArgumentTypeError(f"setting {name!r}: version must be a str such as '1.0', not {describe_value(version)}")
