"""The classes of changes, where programs import them from; they are defined beside ``Setting``, which they name."""

from heksher.setting import Change, Changes

__all__ = ["Change", "Changes"]
