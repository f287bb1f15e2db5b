"""Use in an SQL database, inside the transaction of a unit of work."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from heksher.server.storage.json_text import decode_json, encode_json, is_storable
from heksher.server.storage.sql_statements import AnyRow, Statements, in_batches
from heksher.server.storage.sql_times import read_time, write_time
from heksher.server.storage.tables import CLIENT, SETTING, SETTING_NAME, SETTING_USE, USAGE_STATE
from heksher.server.storage.usage_records import MAX_AHEAD, ClientRecord, SettingUse, find_last, join_uses, list_excess

_STATE: Final = select(USAGE_STATE.c.counted_since)
_BEGIN: Final = insert(USAGE_STATE).values(id=1)
_END: Final = delete(USAGE_STATE)

_USES: Final = select(SETTING.c.name, SETTING_USE.c.used_at, SETTING_USE.c.client).join(SETTING)
_USES_OF: Final = _USES.where(SETTING.c.name.in_(bindparam("names", expanding=True)))
_KNOWN_USES: Final = (
    select(SETTING_NAME.c.name, SETTING_NAME.c.setting_id, SETTING_USE.c.used_at)
    .outerjoin(SETTING_USE, SETTING_USE.c.setting_id == SETTING_NAME.c.setting_id)
    .where(SETTING_NAME.c.name.in_(bindparam("names", expanding=True)))
)
_ADD_USE: Final = insert(SETTING_USE)
# As ``is_newer`` has it. Texts of one form, so they are in the order of their times in any collation.
_REPLACE_USE: Final = (
    update(SETTING_USE)
    .where(
        SETTING_USE.c.setting_id == bindparam("of_setting"),
        or_(SETTING_USE.c.used_at < bindparam("at"), SETTING_USE.c.used_at > bindparam("ahead")),
    )
    .values(used_at=bindparam("at"), client=bindparam("by"))
)

_CLIENTS: Final = select(CLIENT)
_SEEN: Final = select(CLIENT.c.digest, CLIENT.c.seen_at)
_DIGESTS_OF: Final = select(CLIENT.c.digest).where(CLIENT.c.digest.in_(bindparam("digests", expanding=True)))
_ADD_CLIENT: Final = insert(CLIENT)
_REPLACE_CLIENT: Final = (
    update(CLIENT)
    .where(
        CLIENT.c.digest == bindparam("of_client"),
        or_(CLIENT.c.seen_at <= bindparam("at"), CLIENT.c.seen_at > bindparam("ahead")),
    )
    .values(seen_at=bindparam("at"), revision=func.coalesce(func.nullif(bindparam("answered"), 0), CLIENT.c.revision))
)
_REMOVE_CLIENT: Final = delete(CLIENT).where(CLIENT.c.digest == bindparam("of_client"))


class SqlUsage:
    """What is stored about use, as one transaction sees and changes it."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def find_start(self) -> datetime | None:
        """Return since when there is no gap in what is known; ``None`` if nobody counts."""
        return next((read_time(row.counted_since) for row in self._statements.fetch(_STATE)), None)

    def list_uses(self, names: Collection[str] | None) -> dict[str, SettingUse]:
        """Return the last uses of settings by their canonical names: of those with these names, or of all."""
        if names is None:
            return _read_uses(self._statements.fetch(_USES))
        uses: dict[str, SettingUse] = {}
        for batch in in_batches(name for name in frozenset(names) if is_storable(name)):
            uses.update(_read_uses(self._statements.fetch(_USES_OF, {"names": batch})))
        return uses

    def list_clients(self) -> list[ClientRecord]:
        """Return all clients, sorted by digest."""
        # Sorted here, because databases sort by the rules of a language.
        return [_read_client(row) for row in sorted(self._statements.fetch(_CLIENTS), key=lambda row: str(row.digest))]

    def note(self, uses: Mapping[str, SettingUse], clients: Collection[ClientRecord], now: datetime) -> None:
        """Note uses, unless later ones are known.

        Args:
            uses: by any names of settings.
            clients: the clients that were seen.
            now: the time.
        """
        if self.find_start() is None:
            began = write_time(now.replace(microsecond=0))
            self._statements.run(_BEGIN, {"counted_since": began}, "noting since when uses are counted")
        for batch in in_batches(name for name in sorted(uses) if is_storable(name)):
            self._note_settings({name: uses[name] for name in batch})
        if clients:
            for some in in_batches(find_last(clients).items()):
                self._note_clients(dict(some))
            self._remove_excess(now)

    def forget_start(self) -> None:
        """Note that there is a gap in what is known."""
        self._statements.run(_END, {}, "noting that uses are not counted")

    def _note_settings(self, uses: Mapping[str, SettingUse]) -> None:
        rows = self._statements.fetch(_KNOWN_USES, {"names": list(uses)})
        known = {row.setting_id for row in rows if row.used_at is not None}
        joined = join_uses(uses, {str(row.name): row.setting_id for row in rows})
        doing = "noting when settings were used"
        self._statements.run_each(
            _REPLACE_USE,
            (
                {"of_setting": number, **_write_newer(use.used_at), "by": encode_json(use.client)}
                for number, use in joined.items()
                if number in known
            ),
            doing,
        )
        self._statements.run_each(
            _ADD_USE,
            (
                {"setting_id": number, "used_at": write_time(use.used_at), "client": encode_json(use.client)}
                for number, use in joined.items()
                if number not in known
            ),
            doing,
        )

    def _note_clients(self, clients: Mapping[str, ClientRecord]) -> None:
        known = {row.digest for row in self._statements.fetch(_DIGESTS_OF, {"digests": list(clients)})}
        seen = [(digest, client) for digest, client in clients.items() if digest in known]
        new = [(digest, client) for digest, client in clients.items() if digest not in known]
        doing = "noting which clients were seen"
        self._statements.run_each(
            _REPLACE_CLIENT,
            (
                {"of_client": digest, **_write_newer(client.seen_at), "answered": client.revision}
                for digest, client in seen
            ),
            doing,
        )
        self._statements.run_each(_ADD_CLIENT, (_write_client(digest, client) for digest, client in new), doing)

    def _remove_excess(self, now: datetime) -> None:
        seen = [(read_time(row.seen_at), str(row.digest)) for row in self._statements.fetch(_SEEN)]
        rows = ({"of_client": digest} for digest in list_excess(seen, now))
        self._statements.run_each(_REMOVE_CLIENT, rows, "removing clients that were not seen for long")


def _read_uses(rows: Sequence[AnyRow]) -> dict[str, SettingUse]:
    return {row.name: SettingUse(read_time(row.used_at), str(decode_json(row.client))) for row in rows}


def _read_client(row: AnyRow) -> ClientRecord:
    name, version, instance, user_agent = cast("list[Any]", decode_json(row.identity))
    return ClientRecord(name, version, instance, user_agent, read_time(row.seen_at), row.revision)


def _write_newer(at: datetime) -> dict[str, str | None]:
    return {"at": write_time(at), "ahead": write_time(at + MAX_AHEAD)}


def _write_client(digest: str, client: ClientRecord) -> dict[str, object]:
    return {
        "digest": digest,
        "identity": encode_json(client.identity),
        "seen_at": write_time(client.seen_at),
        "revision": client.revision,
    }
