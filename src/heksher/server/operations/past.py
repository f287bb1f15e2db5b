"""What a setting and its rules were at an earlier revision."""

from heksher.server.errors import NotFoundError
from heksher.server.json_form import JSONObject, rule_to_json, setting_to_json
from heksher.server.operations.rewinding import require_known, rewind, rewind_features
from heksher.server.storage.base import Reader, Storage
from heksher.value_type import shorten


def get_setting(storage: Storage, name: str, revision: int) -> JSONObject:
    """Return the JSON form of a setting and its rules as they were at a revision.

    Args:
        storage: has the setting and the log.
        name: what the setting is called now, or was then, if no other is called so now.
        revision: the number of the last change that is seen.

    Raises:
        NotFoundError: there was no such setting then, or there is no such revision yet.
        PrunedError: the log does not go back so far.
    """

    def work(reader: Reader) -> JSONObject:
        require_known(reader, revision)
        past = rewind(reader, name, revision)
        if past.setting is None:
            raise NotFoundError(f"there was no setting named {shorten(repr(name))} at revision {revision}", "setting")
        order = rewind_features(reader, revision)
        rules = [{"rule_id": rule.rule_id, **rule_to_json(rule, order)} for rule in past.list_rules()]
        return {"revision": revision, "setting": setting_to_json(past.setting, order), "rules": [*rules]}

    return storage.read(work)
