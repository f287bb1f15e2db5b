"""What several changes come to: of each object what differs between the states before the first and after the last.

Changes are added from the newest to the oldest one, as the log is read backwards. So the last word that a field had is
the first that is heard, and its first word is the last. Settings are told apart by their names, which a renaming takes
back to what they were before it.
"""

from collections import defaultdict
from dataclasses import dataclass

from heksher.server.json_form import list_differences
from heksher.server.storage.base import SETTING, Fields, LoggedChange
from heksher.value_type import JSON

Sides = tuple[dict[str, JSON] | None, dict[str, JSON] | None]


class NetChange:
    """What the changes of one object come to."""

    def __init__(self) -> None:
        # None where the object does not exist; both are, as long as there are no changes.
        self._before: dict[str, JSON] | None = None
        self._after: dict[str, JSON] | None = None
        self._is_empty = True
        # Whether the last state is complete: from the change on that added the object.
        self._is_complete = False

    def add(self, change: LoggedChange) -> None:
        """Add a change that was made before all of those that were added."""
        if self._is_empty:
            self._after = None if change.after is None else {}
        self._is_empty = False
        if self._after is not None and not self._is_complete:
            self._after = {**(change.after or {}), **self._after}
            self._is_complete = change.before is None
        # What is before an addition or a deletion is not among the fields of any later change.
        is_whole = change.before is None or change.after is None
        self._before = _copy(change.before) if is_whole else {**(self._before or {}), **(change.before or {})}

    def list_sides(self) -> Sides | None:
        """Return the fields that differ, before and after; ``None`` if the object is what it was.

        One that was added or deleted has all of its fields on one side, and ``None`` on the other.
        """
        if self._before is None or self._after is None:
            return None if self._before is self._after else (self._before, self._after)
        before, after = list_differences(self._before, self._after)
        return (before, after) if before else None


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """What differs of a setting and its rules.

    Attributes:
        name: what the setting was called last.
        sides: of its own fields; ``None`` if only rules differ.
        rules: of those that differ, by ascending id.
    """

    name: str
    sides: Sides | None
    rules: dict[int, Sides]


class _NetSetting:
    """What the changes of a setting and its rules come to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.setting = NetChange()
        self.rules: defaultdict[int, NetChange] = defaultdict(NetChange)

    def finish(self) -> SettingDifference:
        found = {rule_id: self.rules[rule_id].list_sides() for rule_id in sorted(self.rules)}
        rules = {rule_id: sides for rule_id, sides in found.items() if sides is not None}
        return SettingDifference(self.name, self.setting.list_sides(), rules)


class NetChanges:
    """What the changes of settings and their rules come to."""

    def __init__(self) -> None:
        self._found: list[_NetSetting] = []
        # By the name that each has at the change that was added last.
        self._by_name: dict[str, _NetSetting] = {}

    def add(self, change: LoggedChange) -> None:
        """Add a change that was made before all of those that were added."""
        if change.kind != SETTING:
            self._get(change.setting).rules[int(change.key)].add(change)
            return
        setting = self._get(change.key)
        setting.setting.add(change)
        former = None if change.after is None else (change.before or {}).get("name")
        if isinstance(former, str) and former != change.key:
            del self._by_name[change.key]
            self._by_name[former] = setting

    def finish(self) -> list[SettingDifference]:
        """Return the settings that differ, or whose rules do, sorted by name."""
        finished = (setting.finish() for setting in self._found)
        return sorted((each for each in finished if each.sides or each.rules), key=lambda each: each.name)

    def _get(self, name: str) -> _NetSetting:
        if name not in self._by_name:
            self._by_name[name] = _NetSetting(name)
            self._found.append(self._by_name[name])
        return self._by_name[name]


def _copy(fields: Fields | None) -> dict[str, JSON] | None:
    return None if fields is None else dict(fields)
