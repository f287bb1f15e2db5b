"""Keep each change of a log entry as a row of its own, with the fields that differ; number settings for good.

The old log had one change for each entry, with the whole object before and after it. Entries are converted from the
newest to the oldest, because the numbers of settings are known only for the final state: walking back, a deleted
setting reappears, a renamed one gets its old name back, and an added one disappears.
"""

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from alembic import op

# Alembic loads this file under a name that is none of this package's.
logger: logging.Logger = logging.getLogger("heksher.server.storage.migrations")

revision: Final = "0003"
down_revision: Final = "0002"

_BIG_KEY: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MAX_INLINE_BYTES: Final = 4096
_MAX_ID_DIGITS: Final = 18
_REPORT_INTERVAL_S: Final = 10.0
# As many rows as fit into this many bytes if all were as long as the longest.
_MAX_BATCH_ROWS: Final = 1000
_MAX_BATCH_BYTES: Final = 100_000_000

_OLD_LOG: Final = sa.table(
    "change_log",
    *(sa.column(name) for name in ("revision", "at", "actor", "reason", "action", "kind", "key", "before", "after")),
)
_SETTING: Final = sa.table("setting", sa.column("id"), sa.column("name"), sa.column("revision"))
_RULE: Final = sa.table("rule", sa.column("id"), sa.column("revision"))
_WRITE_STATE: Final = sa.table("write_state", sa.column("last_setting_id"), sa.column("features_revision"))

_Object = dict[str, Any]


class _Part(NamedTuple):
    """A change of one object, before it is written as a row."""

    action: str
    kind: str
    key: str
    setting: str
    before: _Object | None
    after: _Object | None


def upgrade() -> None:
    """Create the new tables, convert the log, and record the last change of each object."""
    _add_columns()
    entry, part, value = _make_log()
    connection = op.get_bind()
    subjects = _Subjects(connection)
    last_changes = _LastChanges()
    progress = _Progress(connection)
    for rows in _read_backwards(connection):
        entries: list[dict[str, object]] = []
        parts: list[dict[str, object]] = []
        long_values: dict[str, tuple[int, str]] = {}
        for row in rows:
            converted = list(_convert(row))
            entries.append(_make_entry(row, len(converted)))
            numbered = list(enumerate(converted))
            for number, change in reversed(numbered):
                setting_id = subjects.walk_back(change)
                last_changes.note(change, setting_id, row.revision)
                parts.append(_make_row(row.revision, number, change, setting_id, long_values))
        connection.execute(sa.insert(entry), entries)
        connection.execute(sa.insert(part), parts)
        _add_values(connection, value, long_values)
        progress.note(len(rows))
    last_changes.store(connection, subjects.last_id)
    op.drop_table("change_log")


def _add_columns() -> None:
    for table, names in (("write_state", ("last_setting_id", "features_revision")), ("setting", ("revision",)),
                         ("rule", ("revision",))):  # fmt: skip
        for name in names:
            op.add_column(table, sa.Column(name, _BIG_KEY, nullable=False, server_default="0"))
    # The program assigns the numbers now: the log refers to settings by number, so none may be reused.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE setting ALTER COLUMN id DROP DEFAULT")
        op.execute("DROP SEQUENCE setting_id_seq")


def _make_log() -> tuple[sa.Table, sa.Table, sa.Table]:
    entry = op.create_table(
        "log_entry",
        sa.Column("revision", _BIG_KEY, nullable=False, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("is_proved", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("stamp", sa.String(12), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_log_entry"),
    )
    part = op.create_table(
        "log_part",
        sa.Column("revision", _BIG_KEY, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("action", "kind", "key")),
        sa.Column("setting_id", _BIG_KEY, nullable=True),
        sa.Column("setting", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("before", "after")),
        sa.PrimaryKeyConstraint("revision", "number", name="pk_log_part"),
        sa.ForeignKeyConstraint(["revision"], ["log_entry.revision"], name="fk_log_part_revision", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_part_setting_id_revision_number", "log_part", ["setting_id", "revision", "number"])
    op.create_index("ix_log_part_kind_key_revision", "log_part", ["kind", "key", "revision"])
    value = op.create_table(
        "log_value",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("last_revision", _BIG_KEY, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_log_value"),
    )
    return entry, part, value


def _read_backwards(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    """Yield the old log in parts, the newest entries first."""
    lengths = sa.func.length(_OLD_LOG.c.before) + sa.func.length(_OLD_LOG.c.after)
    before, longest = connection.execute(sa.select(sa.func.max(_OLD_LOG.c.revision), sa.func.max(lengths))).one()
    batch_rows = max(1, min(_MAX_BATCH_ROWS, _MAX_BATCH_BYTES // (longest or 1)))
    while before is not None:
        is_next = _OLD_LOG.c.revision <= before
        rows = connection.execute(
            sa.select(_OLD_LOG).where(is_next).order_by(_OLD_LOG.c.revision.desc()).limit(batch_rows)
        ).all()
        if rows:
            yield rows
        before = rows[-1].revision - 1 if rows else None


class _Progress:
    """Logs how many entries there are to convert, and from time to time how many are done."""

    def __init__(self, connection: sa.Connection) -> None:
        self._total = connection.execute(sa.select(sa.func.count()).select_from(_OLD_LOG)).scalar_one()
        self._done = 0
        self._told_s = time.monotonic()
        if self._total:
            logger.info("converting the change log: %d entries", self._total)

    def note(self, converted: int) -> None:
        self._done += converted
        now_s = time.monotonic()
        if now_s - self._told_s >= _REPORT_INTERVAL_S:
            self._told_s = now_s
            logger.info("converting the change log: %d of %d entries are done", self._done, self._total)


class _Subjects:
    """The numbers of settings by the names that they have at the current point of the walk back through the log.

    Attributes:
        last_id: the highest number of all.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._present: dict[str, int] = {
            row.name: row.id for row in connection.execute(sa.select(_SETTING.c.id, _SETTING.c.name))
        }
        # Settings added after the current point: an earlier setting with the same name has the same identity.
        self._later: dict[str, int] = {}
        self.last_id: int = max(self._present.values(), default=0)

    def walk_back(self, change: _Part) -> int | None:
        """Step back past a change; return the number of the setting that it is about."""
        if change.kind == "rule":
            return self._find(change.setting) if change.setting else None
        if change.kind != "setting":
            return None
        if change.after is None and change.key not in self._present and change.key in self._later:
            self._present[change.key] = self._later.pop(change.key)
        setting_id = self._find(change.key)
        if change.after is not None:
            del self._present[change.key]
            if change.before is None:
                self._later[change.key] = setting_id
            else:
                # An earlier owner of the name did not come back under it, so it is another setting.
                self._later.pop(change.key, None)
                self._present[str(change.before.get("name", change.key))] = setting_id
        return setting_id

    def _find(self, name: str) -> int:
        if name not in self._present:
            self.last_id += 1
            self._present[name] = self.last_id
        return self._present[name]


class _LastChanges:
    """The revision of the last change of each object: walking back, the first one found."""

    def __init__(self) -> None:
        self._features = 0
        self._settings: dict[int, int] = {}
        self._rules: dict[int, int] = {}

    def note(self, change: _Part, setting_id: int | None, revision: int) -> None:
        if change.kind == "context_features":
            self._features = self._features or revision
        elif change.kind == "setting" and setting_id is not None:
            self._settings.setdefault(setting_id, revision)
        # No rule has a longer number, and the interpreter reads no more than 4,300 digits.
        elif change.kind == "rule" and change.key.isdecimal() and len(change.key) <= _MAX_ID_DIGITS:
            self._rules.setdefault(int(change.key), revision)

    def store(self, connection: sa.Connection, last_setting_id: int) -> None:
        for table, revisions in ((_SETTING, self._settings), (_RULE, self._rules)):
            rows = [{"changed": key, "revision": revision} for key, revision in revisions.items()]
            if rows:
                connection.execute(sa.update(table).where(table.c.id == sa.bindparam("changed")), rows)
        state = {"last_setting_id": last_setting_id, "features_revision": self._features}
        connection.execute(sa.update(_WRITE_STATE), state)


def _convert(row: Any) -> Iterator[_Part]:
    """Yield the parts of an old entry; for a deleted setting, first the deletion of its rules."""
    before, after = _read(row.kind, row.before), _read(row.kind, row.after)
    setting = str((after or before or {}).get("setting", "")) if row.kind == "rule" else ""
    rules = [] if before is None or row.kind != "setting" else before.pop("rules", [])
    for rule in rules:
        fields = {name: value for name, value in rule.items() if name != "rule_id"}
        yield _Part(row.action, "rule", str(rule["rule_id"]), row.key, fields, None)
    if before is not None and after is not None:
        old, new = before, after
        before = {name: value for name, value in old.items() if _differs(name, value, new)}
        after = {name: value for name, value in new.items() if _differs(name, value, old)}
    yield _Part(row.action, row.kind, row.key, setting, before, after)


def _read(kind: str, text: str) -> _Object | None:
    content = json.loads(text)
    if kind == "context_features":
        return {"context_features": content}
    # No service has ever written anything but objects. Keep other content anyway, so that no data is lost.
    return content if isinstance(content, dict) or content is None else {"value": content}


def _differs(name: str, value: object, other: _Object) -> bool:
    return name not in other or _write(value) != _write(other[name])


def _write(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _write_fields(fields: _Object | None, long_values: dict[str, str]) -> str | None:
    if fields is None:
        return None
    short, digests = [], {}
    for name, value in fields.items():
        text = _write(value)
        if len(text) <= _MAX_INLINE_BYTES:
            short.append(f"{_write(name)}:{text}")
        else:
            digest = hashlib.sha256(text.encode()).hexdigest()
            long_values[digest], digests[name] = text, digest
    inline = f"{{{','.join(short)}}}"
    return f"[{inline},{_write(digests)}]" if digests else inline


def _make_entry(row: Any, size: int) -> dict[str, object]:
    return {
        "revision": row.revision,
        "at": row.at,
        "actor": row.actor,
        "is_proved": False,
        "reason": row.reason,
        "stamp": secrets.token_hex(6),
        "size": size,
    }


def _make_row(
    at_revision: int, number: int, change: _Part, setting_id: int | None, long_values: dict[str, tuple[int, str]]
) -> dict[str, object]:
    texts: dict[str, str] = {}
    row = {
        "revision": at_revision,
        "number": number,
        "action": change.action,
        "kind": change.kind,
        "key": change.key,
        "setting_id": setting_id,
        "setting": change.setting,
        "before": _write_fields(change.before, texts),
        "after": _write_fields(change.after, texts),
    }
    for digest, text in texts.items():
        # Walking back, the first entry found is the newest.
        long_values.setdefault(digest, (at_revision, text))
    return row


def _add_values(connection: sa.Connection, value: sa.Table, long_values: dict[str, tuple[int, str]]) -> None:
    for digest, (at_revision, text) in long_values.items():
        if not connection.execute(sa.select(value.c.digest).where(value.c.digest == digest)).first():
            row = {"digest": digest, "last_revision": at_revision, "value": text}
            connection.execute(sa.insert(value), row)
