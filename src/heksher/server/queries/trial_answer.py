"""What is answered about a write that was only tried."""

from itertools import islice
from typing import Final

from heksher.server.catalog.advance import advance
from heksher.server.catalog.picture import Picture
from heksher.server.catalog.trial import TrialStorage, Tried
from heksher.server.json_form import JSONObject
from heksher.server.operations.change_form import ChangeForm, list_changed_rules
from heksher.server.queries.value_effects import find_value_effects
from heksher.server.storage.base import RULE, LoggedChange, Reader
from heksher.value_type import JSON

# Nobody reads more.
MAX_CHANGES: Final = 1000
MAX_EFFECTS: Final = 1000


def tell_trial(picture: Picture, storage: TrialStorage) -> JSONObject:
    """Return what writes would change, and what these changes would do to the values of settings.

    Args:
        picture: what there is.
        storage: what the writes were tried on.
    """
    tried = storage.finish()
    changes = tried.entry.changes
    after = advance(picture, (tried.entry,))[0] if changes else picture
    effects = list(islice(find_value_effects(picture, after, changes, tried.new_rule_ids), MAX_EFFECTS + 1))
    return {
        "revision": picture.revision,
        "size": len(changes),
        "changes": storage.read(lambda reader: _write_changes(reader, tried)),
        "effects": [*effects[:MAX_EFFECTS]],
        "has_more_effects": len(effects) > MAX_EFFECTS,
    }


def _write_changes(reader: Reader, tried: Tried) -> list[JSON]:
    told = tried.entry.changes[:MAX_CHANGES]
    form = ChangeForm(reader, list_changed_rules(told))
    return [_write_change(form, change, tried) for change in told]


def _write_change(form: ChangeForm, change: LoggedChange, tried: Tried) -> JSONObject:
    written = form.write_change(change)
    is_new = change.kind == RULE and int(change.key) in tried.new_rule_ids
    return {**written, "key": None} if is_new else written
