"""The published path of ``SettingData``, which programs import from here."""

from heksher.clients.conversation.setting_data import SettingData

__all__ = ["SettingData"]
