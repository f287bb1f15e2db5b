"""The tables of the SQL storage at schema version ``SCHEMA_VERSION``, as the ``migrations`` create them.

::

    context_feature    the ordered list; its length is small, so moving a feature rewrites positions
      ↑ feature
    setting_feature    what a setting is configurable by: a feature in use cannot be deleted
      ↓ setting_id
    setting            attributes; rules hang on its number, so renaming it touches none of them
      ↑ setting_id
    setting_name       every name that a setting answers to, the canonical one too: so one key keeps all names apart
    rule               at most one for each setting and conditions
    log_entry          one for each write: who, when, why; its highest revision is the storage's
      ↑ revision
    log_part           each change of the entry, by the number of its setting, or by kind and key
      ↓ digest (in the text of its fields)
    log_value          values of fields that are above 4 KiB, each once
    token              what programs are known by: a digest; and what they may do
    person             what people are known by: a password, or who they are elsewhere; and what they may do
    webhook            who is told of changes, and what messages are signed with
      ↑ webhook
    webhook_delivery   how far each was told, which is no change of it
    lease              which process does what only one may do at a time
    setting_use        when each setting was last asked for, as long as there is the setting
    client             which clients ask, and when each was last seen
    usage_state        since when uses are counted; one row, or none while nobody counts
    proposal           writes that wait, for a second person, for a time, or both
    signing_key        what the cookies of people are signed with; one row, or none before there is a key
    write_state        one row, which a writer locks for as long as its transaction lasts
    heksher_version    the schema version, in the form in which Alembic keeps it
    migration          which migrations were run, when (UTC), and by which version of this program

JSON is stored as text, see ``json_text``; the fields of a change, see ``log_text``. What people type freely (actor,
reason, creator) is stored as JSON text too. The program, not the database, assigns revisions, the ids of rules and the
numbers of settings. Why the log has this form: docs/adr/0011.
"""

from typing import Final

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from heksher.server.storage.dialect import BIG_KEY

SCHEMA_VERSION: Final = "0010"

# Constraints have names so that a migration can change them on any database.
METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

HEKSHER_VERSION: Final = Table("heksher_version", METADATA, Column("version_num", String(32), primary_key=True))

MIGRATION: Final = Table(
    "migration",
    METADATA,
    Column("version", Text, primary_key=True),
    Column("applied_at", Text, nullable=False),
    Column("heksher_version", Text, nullable=False),
)

WRITE_STATE: Final = Table(
    "write_state",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # The highest id that a rule ever had, because ids of deleted rules are not given to new rules.
    Column("last_rule_id", BIG_KEY, nullable=False),
    # The highest number that a setting ever had, because the log refers to deleted settings by number.
    Column("last_setting_id", BIG_KEY, nullable=False, server_default="0"),
    # The revision of the last change of the list of context features.
    Column("features_revision", BIG_KEY, nullable=False, server_default="0"),
)

CONTEXT_FEATURE: Final = Table(
    "context_feature",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("position", Integer, nullable=False, unique=True),
)

SETTING: Final = Table(
    "setting",
    METADATA,
    Column("id", BIG_KEY, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("default_value", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    # The revision of its last change.
    Column("revision", BIG_KEY, nullable=False, server_default="0"),
)

SETTING_NAME: Final = Table(
    "setting_name",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("setting_id", ForeignKey("setting.id", ondelete="CASCADE"), nullable=False, index=True),
)

SETTING_FEATURE: Final = Table(
    "setting_feature",
    METADATA,
    Column("setting_id", ForeignKey("setting.id", ondelete="CASCADE"), primary_key=True),
    Column("feature", ForeignKey("context_feature.name"), primary_key=True, index=True),
)

RULE: Final = Table(
    "rule",
    METADATA,
    Column("id", BIG_KEY, primary_key=True, autoincrement=False),
    Column("setting_id", ForeignKey("setting.id", ondelete="CASCADE"), nullable=False),
    # The key has a digest instead of the conditions, because databases limit the length of indexed values.
    Column("conditions_digest", String(64), nullable=False),
    Column("conditions", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    # The revision of its last change.
    Column("revision", BIG_KEY, nullable=False, server_default="0"),
    UniqueConstraint("setting_id", "conditions_digest"),
)

LOG_ENTRY: Final = Table(
    "log_entry",
    METADATA,
    Column("revision", BIG_KEY, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    # Whether the actor is anything but nobody, for services of before ``actor_kind``: they go on reading.
    Column("is_proved", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("stamp", String(12), nullable=False),
    # The number of its parts, stored because counting a hundred thousand parts is slow.
    Column("size", Integer, nullable=False),
    # A token, a person or nobody; null in entries of before there was this column.
    Column("actor_kind", Text, nullable=True),
    Index(None, "actor", "revision"),
)

LOG_PART: Final = Table(
    "log_part",
    METADATA,
    Column("revision", ForeignKey("log_entry.revision", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False),
    # The number of the setting, or of the rule's setting, even after its deletion; null for other kinds.
    Column("setting_id", BIG_KEY, nullable=True),
    # The name of a rule's setting at that time; empty for other kinds.
    Column("setting", Text, nullable=False),
    # Null if the object did not exist.
    Column("before", Text, nullable=True),
    Column("after", Text, nullable=True),
    Index(None, "setting_id", "revision", "number"),
    Index(None, "kind", "key", "revision"),
    Index(None, "kind", "revision"),
    # Rows are short and read by their key, so SQLite needs neither a row id nor a separate index for the key.
    sqlite_with_rowid=False,
)

LOG_VALUE: Final = Table(
    "log_value",
    METADATA,
    Column("digest", String(64), primary_key=True),
    # The newest entry that has the value, which makes it possible to find values without entries.
    Column("last_revision", BIG_KEY, nullable=False),
    Column("value", Text, nullable=False),
)

# Of removed entries that were the last change of an object which still has their revision: who made it, and when.
KEPT_CHANGE: Final = Table(
    "kept_change",
    METADATA,
    Column("revision", BIG_KEY, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("is_proved", Boolean, nullable=False),
    Column("stamp", String(12), nullable=False),
    # Of the first part.
    Column("action", Text, nullable=False),
    Column("actor_kind", Text, nullable=True),
)

# The settings and rules of which the newest change was their deletion, in an entry that was removed: so that their ids
# are not given again, and a setting is the same one when it comes back.
FORGOTTEN_OBJECT: Final = Table(
    "forgotten_object",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("setting_id", BIG_KEY, nullable=True),
    Column("action", Text, nullable=False),
)

TOKEN: Final = Table(
    "token",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    # A list in JSON.
    Column("grants", Text, nullable=False),
    Column("creator", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    # Null if it never expires.
    Column("expires_at", Text, nullable=True),
    # To the hour; null if it was not used.
    Column("last_used_at", Text, nullable=True),
    # The revision of its last change.
    Column("revision", BIG_KEY, nullable=False),
)

PERSON: Final = Table(
    "person",
    METADATA,
    Column("name", Text, primary_key=True),
    # A list in JSON.
    Column("grants", Text, nullable=False),
    # Null if there is no password.
    Column("password_hash", Text, nullable=True),
    # Both null if no provider of identities knows this person.
    Column("issuer", Text, nullable=True),
    Column("subject", Text, nullable=True),
    Column("epoch", BIG_KEY, nullable=False),
    # The revision of the last change.
    Column("revision", BIG_KEY, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

PROPOSAL: Final = Table(
    "proposal",
    METADATA,
    Column("id", BIG_KEY, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    # Before which time it is not applied; null for any time.
    Column("at", Text, nullable=True),
    # The proposal that has to be applied first, which may have been removed since; null if there is none.
    Column("after_id", BIG_KEY, nullable=True),
    Column("needs_approval", Boolean, nullable=False),
    # Whether it waits for nobody any more.
    Column("is_ready", Boolean, nullable=False),
    # The number of its writes.
    Column("size", Integer, nullable=False),
    # The newest revision when it was made.
    Column("seen_revision", BIG_KEY, nullable=False),
    # Lists and objects in JSON.
    Column("approvals", Text, nullable=False),
    Column("ended_at", Text, nullable=True),
    Column("ending", Text, nullable=True),
    Column("operations", Text, nullable=False),
    Column("objects", Text, nullable=False),
    Index(None, "state", "id"),
    Index(None, "after_id"),
)

# What proposals are about.
PROPOSAL_SUBJECT: Final = Table(
    "proposal_subject",
    METADATA,
    Column("proposal_id", ForeignKey("proposal.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Index(None, "digest"),
)

# For settings whose names begin with a prefix, a second person is demanded.
POLICY: Final = Table(
    "policy",
    METADATA,
    Column("prefix", Text, primary_key=True),
    Column("creator", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    # The revision of its last change.
    Column("revision", BIG_KEY, nullable=False),
)

SIGNING_KEY: Final = Table(
    "signing_key",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
)

WEBHOOK: Final = Table(
    "webhook",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    # A list in JSON.
    Column("prefixes", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("creator", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    # Null while it is on.
    Column("off_reason", Text, nullable=True),
    # The revision of its last change.
    Column("revision", BIG_KEY, nullable=False),
)

WEBHOOK_DELIVERY: Final = Table(
    "webhook_delivery",
    METADATA,
    Column("webhook", ForeignKey("webhook.name", ondelete="CASCADE"), primary_key=True),
    # The newest revision that it needs not be told of any more, with its stamp.
    Column("revision", BIG_KEY, nullable=False),
    Column("stamp", String(12), nullable=False),
    Column("failures", Integer, nullable=False),
    # Null if the last attempt has not failed.
    Column("failing_since", Text, nullable=True),
    Column("next_attempt_at", Text, nullable=True),
    # Null before the first attempt.
    Column("attempted_at", Text, nullable=True),
    Column("problem", Text, nullable=False),
)

# Of what happens at the moment, so a copy of the database has none of it.
LEASE: Final = Table(
    "lease",
    METADATA,
    Column("task", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("turn", BIG_KEY, nullable=False),
)

# What is known of use is no part of what a copy of the database is for, and would be outdated there.
SETTING_USE: Final = Table(
    "setting_use",
    METADATA,
    Column("setting_id", ForeignKey("setting.id", ondelete="CASCADE"), primary_key=True),
    # To the hour.
    Column("used_at", Text, nullable=False),
    Column("client", Text, nullable=False),
)

CLIENT: Final = Table(
    "client",
    METADATA,
    Column("digest", String(64), primary_key=True),
    # A list in JSON: name, version, instance, and what it calls itself.
    Column("identity", Text, nullable=False),
    # To the second.
    Column("seen_at", Text, nullable=False),
    # Of the last answer that it got.
    Column("revision", BIG_KEY, nullable=False),
)

USAGE_STATE: Final = Table(
    "usage_state",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("counted_since", Text, nullable=False),
)
