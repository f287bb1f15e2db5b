"""What differs between two revisions, setting by setting."""

from dataclasses import dataclass
from typing import Final

from heksher.server.errors import NotFoundError
from heksher.server.json_bytes import encode
from heksher.server.json_form import JSONObject
from heksher.server.operations.change_form import ChangeForm
from heksher.server.operations.net_change import NetChanges, SettingDifference, Sides
from heksher.server.operations.rewinding import list_backwards, require_known, rewind_features
from heksher.server.storage.base import Reader, Selection, Storage
from heksher.value_type import JSON, shorten

# Settings are compared in groups of so many at most, or of so many changes; a page ends with the group after which it
# has gone through so many changes, or has so many bytes. A thousand changes take some 30 ms.
_GROUP_SETTINGS: Final = 25
_GROUP_CHANGES: Final = 400
_MAX_CHANGES: Final = 600
_MAX_BYTES: Final = 4 * 1024 * 1024
_RULE_FIELDS: Final = ("value", "metadata")


@dataclass(frozen=True, slots=True)
class WantedDiff:
    """Which difference is asked for.

    Attributes:
        start: the revision that is compared.
        end: the one that it is compared with; it may be earlier. ``None`` for the newest one.
        setting: any name of a setting, or a canonical name that a deleted one had; ``None`` for all settings.
    """

    start: int
    end: int | None = None
    setting: str | None = None


def compare(storage: Storage, wanted: WantedDiff, after_subject: int, limit: int) -> tuple[JSONObject, int | None]:
    """Return a page of what differs between two revisions, and the cursor of the next one; ``None`` if there is none.

    A page can have fewer settings than its limit, where much has changed.

    Args:
        storage: has the log.
        wanted: what is asked for.
        after_subject: the cursor of the page before; 0 for the first one, which also has the context features.
        limit: how many settings the page has at most.

    Raises:
        NotFoundError: one of the revisions, or the setting, does not exist.
        PrunedError: the log does not go back to one of them.
    """

    def work(reader: Reader) -> tuple[JSONObject, int | None]:
        end = reader.revision() if wanted.end is None else wanted.end
        require_known(reader, wanted.start)
        require_known(reader, end)
        comparison = _Comparison(reader, *sorted((wanted.start, end)), is_backwards=end < wanted.start)
        if wanted.setting is None:
            comparison.add_all(after_subject, limit)
        else:
            comparison.add_setting(wanted.setting)
        features = comparison.compare_features() if after_subject == 0 else None
        head: JSONObject = {"from": wanted.start, "to": end, "context_features": features}
        return {**head, "settings": [*comparison.settings]}, comparison.cursor

    return storage.read(work)


class _Comparison:
    """Compares two revisions.

    Args:
        reader: the state that is there now.
        first: the earlier revision.
        last: the later one.
        is_backwards: whether the later one is what is compared, so that it is told as what was before.

    Attributes:
        settings: the JSON forms of what differs.
        cursor: the number of the last setting that was looked at; ``None`` if there are no more.
    """

    def __init__(self, reader: Reader, first: int, last: int, *, is_backwards: bool) -> None:
        self._reader = reader
        self._first = first
        self._last = last
        self._is_backwards = is_backwards
        self.settings: list[JSONObject] = []
        self.cursor: int | None = None

    def add_setting(self, name: str) -> None:
        """Compare one setting."""
        known = self._reader.find_setting(name) or self._reader.select(Selection(setting=name), limit=1, max_bytes=0)
        if not known:
            raise NotFoundError(f"there is no setting named {shorten(repr(name))}", "setting")
        self._add(Selection(self._first, setting=name))

    def add_all(self, after_subject: int, limit: int) -> None:
        """Compare all settings above a number, as far as a page goes."""
        changes = size_bytes = looked_at = 0
        subjects = self._find_group(after_subject, limit)
        while subjects and changes < _MAX_CHANGES and size_bytes < _MAX_BYTES and looked_at < limit:
            known = len(self.settings)
            changes += self._add(Selection(self._first, subjects=subjects))
            size_bytes += sum(len(encode(each)) for each in self.settings[known:])
            looked_at += len(subjects)
            self.cursor = subjects[-1]
            subjects = self._find_group(subjects[-1], max(limit - looked_at, 1))
        if not subjects:
            self.cursor = None

    def compare_features(self) -> JSONObject | None:
        """Return the context features of both revisions, if they differ."""
        before, after = (list(rewind_features(self._reader, revision)) for revision in (self._first, self._last))
        return None if before == after else self._write_sides((before, after))

    def _find_group(self, after_subject: int, limit: int) -> list[int]:
        found = self._reader.changed_subjects(self._first, self._last, after_subject, _GROUP_CHANGES)
        return found[: min(_GROUP_SETTINGS, limit)]

    def _add(self, selection: Selection) -> int:
        """Compare some settings; return how many changes they had."""
        net, changes = NetChanges(), 0
        for entry in list_backwards(self._reader, selection, self._last + 1):
            changes += len(entry.changes)
            for change in reversed(entry.changes):
                net.add(change)
        differences = net.finish()
        form = ChangeForm(self._reader, {rule_id for each in differences for rule_id in each.rules})
        self.settings += [self._write_setting(each, form) for each in differences]
        return changes

    def _write_setting(self, difference: SettingDifference, form: ChangeForm) -> JSONObject:
        rules: list[JSON] = [
            {"rule_id": rule_id, "feature_values": form.write_conditions(rule_id), **self._write_sides(_strip(sides))}
            for rule_id, sides in difference.rules.items()
        ]
        return {"setting": difference.name, **self._write_sides(difference.sides or ({}, {})), "rules": rules}

    def _write_sides(self, sides: tuple[JSON, JSON] | Sides) -> JSONObject:
        before, after = reversed(sides) if self._is_backwards else sides
        return {"before": before, "after": after}


def _strip(sides: Sides) -> Sides:
    """Return the sides of a rule without what stands beside them: it never changes, but for the name of the setting."""
    before, after = (side and {name: side[name] for name in side if name in _RULE_FIELDS} for side in sides)
    return before, after
