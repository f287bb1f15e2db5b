"""What the change log costs: ``make bench-log``.

A million entries on SQLite and on PostgreSQL: bytes for each, and milliseconds for a page, by setting, by rule, by
cursor and newest first. Bytes for each kind of change, and of twenty edits of the metadata of a setting whose default
value has 4 MB. An import of 1,000 settings with ten rules each, as one entry. Ends with 1 if an aim is missed.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import text

from benchmarks.figures import Line, pick
from benchmarks.report import render_terminal_updates
from heksher.server.json_bytes import encode
from heksher.server.json_form import rule_to_json, setting_to_json
from heksher.server.operations import context_features, metadata, rules, settings
from heksher.server.operations.declaration import declare
from heksher.server.operations.differences import Declaration
from heksher.server.operations.loading import Contents, load
from heksher.server.storage.base import NOBODY, Origin, Reader, RuleRecord, SettingRecord, Storage
from heksher.server.storage.dialects import dialect_for
from heksher.server.storage.maintenance import using
from heksher.value_type import parse_value_type
from tests.support.storages import SqlPlace, make_place, opened

SETTINGS: Final = 1000
RULES: Final = 10_000
ENTRIES: Final = 1_000_000
PAGE: Final = 50
SAMPLES: Final = 100
# The aims.
MAX_PAGE_MS: Final = 20.0
MAX_ENTRY_BYTES: Final = 500
MAX_EDITS_BYTES: Final = 8_500_000
# Of one change of one setting with at most ten rules, apart from long values.
MAX_CHANGE_BYTES: Final = 3000
LARGE: Final = "x" * 4_000_000

_NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)",
    "postgres": "WITH numbers AS (SELECT generate_series(CAST(:first AS BIGINT), CAST(:last AS BIGINT)) AS n)",
}
# Rules are changed in turn, apart from entries at a distance that are about the first rule of the first setting.
_RULE: Final = f"(CASE WHEN n % {{distance}} = 0 THEN 1 ELSE n % {RULES} + 1 END)"
_SETTING: Final = f"(({_RULE} - 1) % {SETTINGS})"
# A few entries are by somebody else.
_ACTOR: Final = """(CASE WHEN n % 2000 = 0 THEN '"bob"' ELSE '"ada.lovelace"' END)"""
_ADD_ENTRIES: Final = """INSERT INTO log_entry (revision, at, actor, actor_kind, is_proved, reason, stamp, size)
{numbers} SELECT n, '2026-11-01T12:00:00.123456+00:00', {actor}, 'person', {true}, '""',
substr('0123456789ab', 1, 12), 1 FROM numbers"""
_ADD_PARTS: Final = """INSERT INTO log_part (revision, number, action, kind, key, setting_id, setting, before, after)
{numbers} SELECT n, 0, 'set value', 'rule', CAST({rule} AS TEXT), {setting} + 1, 'setting_' || {setting},
'{{"value":' || n || '}}', '{{"value":' || (n + 1) || '}}' FROM numbers"""


def fill(place: SqlPlace, entries: int, distance: int = 10) -> None:
    """Fill an empty database: an import, then so many changes of values, as the service would log them.

    Args:
        place: where to.
        entries: how many there are then.
        distance: between the entries about the first rule.
    """
    with opened(place.url) as storage:
        load(storage, make_contents(), NOBODY)
    numbers, true = _NUMBERS[place.kind], "1" if place.kind == "sqlite" else "TRUE"
    dialect = dialect_for(place.url)
    with using(dialect) as engine, dialect.connecting(engine.execution_options(**dialect.writer_options)) as connection:
        for first in range(2, entries + 1, 100_000):
            span = {"first": first, "last": min(first + 99_999, entries)}
            for statement in (_ADD_ENTRIES, _ADD_PARTS):
                rule, setting = (about.format(distance=distance) for about in (_RULE, _SETTING))
                filled = statement.format(numbers=numbers, true=true, actor=_ACTOR, rule=rule, setting=setting)
                connection.execute(text(filled), span)
        connection.commit()
    place.run_sql("ANALYZE")


def make_contents() -> Contents:
    """Make the objects that the log is about."""
    settings = [SettingRecord(f"setting_{number}", "int", 0, frozenset({"user"}), "1.0") for number in range(SETTINGS)]
    rules = [
        RuleRecord(number + 1, f"setting_{number % SETTINGS}", {"user": f"user_{number}"}, number)
        for number in range(RULES)
    ]
    return Contents(("user",), settings, rules, RULES + 1)


def measure_size(place: SqlPlace) -> int:
    """Return the bytes that the log takes, its indices included."""
    if place.kind == "sqlite":
        return measure_total(place)
    tables = ("log_entry", "log_part", "log_value")
    return sum(read_number(place, f"SELECT pg_total_relation_size('{table}')") for table in tables)


def measure_total(place: SqlPlace) -> int:
    """Return the bytes of the whole database."""
    if place.kind == "sqlite":
        place.run_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(place.url.removeprefix("sqlite:///")).stat().st_size
    return read_number(place, "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
                              " AND relnamespace = current_schema()::regnamespace")  # fmt: skip


def read_number(place: SqlPlace, query: str) -> int:
    """Return the one number that a query finds."""
    dialect = dialect_for(place.url)
    with using(dialect) as engine, engine.connect() as connection:
        return int(connection.execute(text(query)).scalar_one())


def time_pages(storage: Storage, what: str, read: Callable[[Reader], list[object]]) -> Line:
    """Read pages, and say how long one takes; each must have as many entries as a page has."""
    times_ms = []
    for _ in range(SAMPLES):
        began_s = time.perf_counter()
        page = storage.read(read)
        times_ms.append((time.perf_counter() - began_s) * 1000)
        if len(page) != PAGE:
            raise RuntimeError(f"{what}: a page has {len(page)} entries")
    times_ms.sort()
    median_ms, slow_ms = pick(times_ms, 0.5), pick(times_ms, 0.99)
    figure = f"best {times_ms[0]:.1f} ms, p50 {median_ms:.1f} ms, p99 {slow_ms:.1f} ms"
    return Line(what, figure, median_ms <= MAX_PAGE_MS)


def measure_log(kind: str, entries: int) -> Iterator[Line]:
    """Measure reading, and the size of an entry."""
    chance = random.Random(7)  # noqa: S311 - the same pages in each run

    def choose_setting() -> str:
        # Each tenth is never changed, see above.
        return f"setting_{chance.randrange(SETTINGS // 10) * 10 + 1}"

    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        began_s = time.perf_counter()
        fill(place, entries)
        filled_s = time.perf_counter() - began_s
        bytes_each = measure_size(place) / entries
        figure = f"{bytes_each:.0f} bytes with indices (filled in {filled_s:.0f} s)"
        yield Line(f"{kind}: an entry of {entries:,}", figure, bytes_each <= MAX_ENTRY_BYTES)
        middle = entries // 2
        reads: dict[str, Callable[[Reader], list[object]]] = {
            "their number alone, for comparison": lambda reader: [None] * PAGE if reader.revision() else [],
            "newest first": lambda reader: list(reader.history(limit=PAGE)),
            "by cursor": lambda reader: list(reader.history(chance.randrange(middle, entries), PAGE)),
            "by setting": lambda reader: list(reader.history(limit=PAGE, setting=choose_setting())),
            "by setting and cursor": lambda reader: list(
                reader.history(chance.randrange(middle, entries), PAGE, setting=choose_setting())
            ),
            "by the setting with each tenth change": lambda reader: list(
                reader.history(chance.randrange(middle, entries), PAGE, setting="setting_0")
            ),
            "by rule": lambda reader: list(reader.history(limit=PAGE, rule_id=2 + 10 * chance.randrange(RULES // 10))),
            "forwards": lambda reader: list(reader.log(chance.randrange(middle, entries - PAGE), PAGE)),
        }
        with opened(place.url) as storage:
            for what, read in reads.items():
                yield time_pages(storage, f"{kind}: {PAGE} entries, {what}", read)


def measure_edits(kind: str) -> Line:
    """Measure how much twenty small edits of a setting with a large default value add to the log."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        with opened(place.url) as storage:
            large = SettingRecord("large", "str", LARGE, frozenset({"user"}), "1.0")
            load(storage, Contents(("user",), [large], [], 1), NOBODY)
            for number in range(20):
                edit = metadata.overwrite({"note": f"{number:060}"})
                metadata.edit_of_setting(storage, "large", edit, f"1.{number + 1}", NOBODY)
            logged = read_number(place, "SELECT sum(length(coalesce(before, '')) + length(coalesce(after, '')))"
                                        " FROM log_part WHERE revision > 1")  # fmt: skip
        total = measure_total(place)
        figure = f"{logged:,} bytes of fields; the whole database has {total / 1e6:.1f} MB"
        # PostgreSQL compresses the value, and keeps the setting's former rows until it cleans up.
        return Line(f"{kind}: 20 edits of 60 bytes, default of 4 MB", figure, logged < MAX_EDITS_BYTES // 1000)


_WEIGHT: Final = {
    "entry": "SELECT length(at) + length(actor) + length(reason) + length(stamp) FROM log_entry WHERE revision = {0}",
    "parts": "SELECT sum(length(action) + length(kind) + length(key) + length(setting) + length(coalesce(before, ''))"
             " + length(coalesce(after, ''))) FROM log_part WHERE revision = {0}",
    "values": "SELECT coalesce(sum(length(value)), 0) FROM log_value",
}  # fmt: skip
ADA: Final = Origin("ada.lovelace", "less load in the evening")
MEBIBYTE: Final = "x" * (1024 * 1024 - 2)


def list_changes(storage: Storage) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each kind of change, on a setting with a default value of 1 MiB and its rules, and what makes it."""
    yield "add a context feature", lambda: context_features.add_feature(storage, "region", ADA)
    new = Declaration("new", frozenset({"user"}), parse_value_type("int"), 60, "1.0", {"unit": "seconds"})
    yield "declare a new setting", lambda: declare(storage, new, ADA)
    upgraded = replace(new, default_value=90, version="1.1")
    yield "declare another default value", lambda: declare(storage, upgraded, ADA)
    for number in range(10):
        rules.add(storage, "new", {"user": f"user_{number}"}, number, {}, ADA)
    yield (
        "change metadata of a setting of 1 MiB",
        lambda: metadata.edit_of_setting(storage, "large", metadata.merge({"note": "x" * 60}), "1.1", ADA),
    )
    yield "rename a setting of 1 MiB", lambda: settings.rename(storage, "large", "larger", "1.2", ADA)
    yield "add a rule", lambda: rules.add(storage, "larger", {"user": "grace"}, "a value", {"by": "ada"}, ADA)
    yield "change the value of a rule", lambda: rules.set_value(storage, 11, "another value", ADA)
    yield "change a rule to a value of 1 MiB", lambda: rules.set_value(storage, 11, MEBIBYTE[1:] + "y", ADA)
    yield "change it back", lambda: rules.set_value(storage, 11, "another value", ADA)
    yield "and to the same 1 MiB again", lambda: rules.set_value(storage, 11, MEBIBYTE[1:] + "y", ADA)
    yield "change metadata of a rule", lambda: metadata.edit_of_rule(storage, 11, metadata.merge({"n": 1}), ADA)
    yield "delete a rule of 1 MiB", lambda: rules.delete(storage, 11, ADA)
    yield "delete a setting with ten rules", lambda: settings.delete(storage, "new", ADA)


def write_all(reader: Reader) -> dict[str, bytes]:
    """Return the JSON of each object, by what it is."""
    order = reader.context_features()
    written = {f"setting {each.name}": encode(setting_to_json(each, order)) for each in reader.settings()}
    written |= {f"rule {each.rule_id}": encode(rule_to_json(each, order)) for each in reader.rules()}
    return {**written, "features": encode(order)}


def measure_kinds(kind: str) -> Iterator[Line]:
    """Measure how many bytes the log has of each kind of change, and how many the changed objects have as a whole."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        with opened(place.url) as storage:
            large = SettingRecord("large", "str", MEBIBYTE, frozenset({"user"}), "1.0")
            load(storage, Contents(("user",), [large], [], 1), NOBODY)
            for what, change in list_changes(storage):
                before, values_before = storage.read(write_all), read_number(place, _WEIGHT["values"])
                change()
                after, values = storage.read(write_all), read_number(place, _WEIGHT["values"])
                revision = storage.read(lambda reader: reader.revision())
                entry, parts = (read_number(place, _WEIGHT[part].format(revision)) for part in ("entry", "parts"))
                whole = sum(len(text) for one, other in ((before, after), (after, before))
                            for each, text in one.items() if other.get(each) != text)  # fmt: skip
                figure = (
                    f"{entry + parts:,} bytes, and {values - values_before:,} in long values; whole objects: {whole:,}"
                )
                yield Line(f"{kind}: {what}", figure, entry + parts < MAX_CHANGE_BYTES)


def measure_import(kind: str) -> Line:
    """Measure an import as one entry."""
    with tempfile.TemporaryDirectory() as directory, make_place(kind, Path(directory)) as place:
        if not isinstance(place, SqlPlace):
            raise TypeError(f"{kind} is not a database")
        with opened(place.url) as storage:
            contents = make_contents()
            began_s = time.perf_counter()
            load(storage, contents, NOBODY)
            took_s = time.perf_counter() - began_s
        return Line(f"{kind}: load {SETTINGS:,} settings and {RULES:,} rules", f"{took_s:.1f} s", took_s < RULES / 1000)


def main() -> int:
    """Measure and print; return 1 if an aim was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.log", description=__doc__)
    parser.add_argument("--kind", choices=("sqlite", "postgres"), action="append", help="one of the databases only")
    parser.add_argument("--quick", action="store_true", help=f"a tenth of the {ENTRIES:,} entries")
    parser.add_argument("--kinds-only", action="store_true", help="only the bytes of each kind of change")
    options = parser.parse_args()
    entries = ENTRIES // 10 if options.quick else ENTRIES
    lines: list[Line] = []
    for kind in options.kind or ("sqlite", "postgres"):
        lines += [*measure_kinds(kind), measure_edits(kind)]
        if not options.kinds_only:
            lines += [*measure_log(kind, entries), measure_import(kind)]
    print(render_terminal_updates({"lines": [line._asdict() for line in lines]}))
    return 1 if any(line.is_met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
