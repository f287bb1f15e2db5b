"""Versions of settings: ``MAJOR.MINOR``, compared as numbers.

Source: docs/reference/compatibility.md, *Declarations and versions*.
"""

from heksher.server.errors import ConflictError
from heksher.server.storage.base import SettingRecord
from heksher.wire import version_key

FIRST_VERSION = "1.0"


def normalize_version(version: str) -> str:
    """Return a version without leading zeros, so that equal versions are equal texts."""
    major, minor = version_key(version)
    return f"{major}.{minor}"


def is_newer(version: str, than: str) -> bool:
    """Return whether a version is newer than another one."""
    return version_key(version) > version_key(than)


def is_major_upgrade(old: str, new: str) -> bool:
    """Return whether the major version grows."""
    return version_key(new)[0] > version_key(old)[0]


def require_newer(setting: SettingRecord, version: str) -> None:
    """Check that a change of a setting comes with a newer version than the setting has.

    Raises:
        ConflictError: the version is not newer.
    """
    if not is_newer(version, setting.version):
        raise ConflictError(
            f"setting {setting.name!r} has version {setting.version} already: to change it, the version must be newer"
            f" than that, and {version} is not"
        )
