"""Drills with the file of a database: writes, backups, ``kill -9``, copies put in place, restores, in any order.

After each step the database is opened, and must hold exactly what it has to: what was written last, or, after a backup
or copy took its place, what that had. If it is refused, there must be a reason, and the remedy that the message tells
must lead there. ``python -m tests.hostile.restores --sequences 200`` runs 200 sequences (``make restore-drills``).
"""

import argparse
import os
import pickle
import random
import shutil
import signal
import sqlite3
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from heksher.server.catalog.advance import advance
from heksher.server.catalog.picture import make_picture, take_picture
from heksher.server.operations import metadata, rules
from heksher.server.operations.logged_change import change_features, change_setting
from heksher.server.storage.base import NOBODY, SettingRecord, Storage, Writer
from heksher.server.storage.database_copy import back_up, restore
from heksher.server.storage.sql import SqlStorage
from heksher.server.storage.storage_errors import StorageError
from tests.support.storages import see_everything, see_last_changes, write_something

STEPS: Final = 12
MAX_WRITES: Final = 6
# Above and below what the log keeps as a value of its own.
LENGTHS: Final = (1, 300, 5000)

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - in a directory of our own

State = tuple[object, ...]
_LENGTH: Final = struct.Struct("=I")


class DrillError(Exception):
    """The database holds something else than it has to, or is refused without a reason."""


@dataclass(frozen=True)
class Saved:
    """A file that can take the place of the database, and what the database held when it was made."""

    file: Path
    state: State


class Drill:
    """One sequence of steps.

    Args:
        directory: an empty one.
        seed: decides what is done.

    Attributes:
        counts: how often what was done, and what came of it.
    """

    def __init__(self, directory: Path, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(seed)  # noqa: S311 - the same steps for the same seed
        self._directory = directory
        self._database = directory / "heksher.db"
        self._saved: list[Saved] = []
        # What the database has to hold; the writes that may be there besides, since they were not answered.
        self._expected: State = ()
        self._may_have_more = False
        # Whether something took the place of the database beside the files of the former one.
        self._is_mixed = False

    def run(self) -> None:
        """Take the steps.

        Raises:
            DrillError: the database was wrong after one of them.
        """
        self._begin()
        self._back_up()
        steps: list[Callable[[], None]] = [
            lambda: self._write(is_killed=True),
            lambda: self._write(is_killed=True),
            lambda: self._write(is_killed=False),
            self._back_up,
            self._back_up_onto_the_database,
            self._copy,
            self._put_in_place,
            self._put_in_place,
            self._restore,
        ]
        for _ in range(STEPS):
            self._chance.choice(steps)()
            # Files that a killed process left are as often found by the next step as by a service.
            if self._is_mixed or self._chance.random() < 0.4:
                self._check()
        self._check()

    def _begin(self) -> None:
        storage = SqlStorage(str(self._database))
        storage.open()
        storage.write(_fill)
        self._expect(_see(storage))
        storage.close()

    def _write(self, *, is_killed: bool) -> None:
        """Let a process write, and end in one way or the other."""
        self._check()
        writes = self._chance.randint(1, MAX_WRITES)
        seed = self._chance.random()
        process = _Process(lambda tell: _write_some(self._database, seed, writes, tell, is_waiting=is_killed))
        states = process.states()
        # It goes on while it is killed: in the middle of a write, or between two.
        answered = [next(states) for _ in range(self._chance.randint(0, writes) if is_killed else writes)]
        if is_killed:
            process.kill()
        answered += states
        process.wait(is_killed=is_killed)
        self._expected = answered[-1] if answered else self._expected
        self._may_have_more = is_killed
        self.counts["killed" if is_killed else "ended"] += 1

    def _back_up(self) -> None:
        """Make a backup, of whatever a killed process left."""
        file = self._directory / f"backup_{self._chance.randrange(3)}.db"
        back_up(str(self._database), file, is_replacing=True)
        self._saved = [saved for saved in self._saved if saved.file != file]
        self._saved.append(Saved(file, self._look()))
        self.counts["backup"] += 1

    def _back_up_onto_the_database(self) -> None:
        """Try what would destroy the database."""
        victim = self._database.with_name(self._database.name + self._chance.choice(["", "-wal", "-shm"]))
        link = self._directory / "link.db"
        link.unlink(missing_ok=True)
        make_link = self._chance.choice([None, link.symlink_to, link.hardlink_to])
        if make_link is not None and victim.exists():
            make_link(victim)
            victim = link
        try:
            back_up(str(self._database), victim, is_replacing=True)
        except StorageError as error:
            if "database itself" not in str(error):
                raise DrillError(f"refused for another reason: {error}") from error
        else:
            raise DrillError(f"a backup has replaced {victim}")
        link.unlink(missing_ok=True)
        self.counts["onto the database"] += 1

    def _copy(self) -> None:
        """Copy the file as ``cp`` does, while no service runs and nothing is beside it."""
        self._check()
        file = self._directory / "copy.db"
        shutil.copy(self._database, file)
        self._saved = [saved for saved in self._saved if saved.file != file]
        self._saved.append(Saved(file, self._expected))
        self.counts["copy"] += 1

    def _put_in_place(self) -> None:
        """Let a backup or copy take the place of the database; what is beside that may stay."""
        saved = self._chance.choice(self._saved)
        if self._chance.random() < 0.7:
            self._write(is_killed=True)
        if self._chance.random() < 0.5:
            shutil.copyfile(saved.file, self._database)
        else:
            shutil.copy(saved.file, self._database.with_name("moved.db"))
            self._database.with_name("moved.db").replace(self._database)
        self._remove_some(self._chance.choice([(), ("-wal",), ("-shm",), ("-wal", "-shm")]))
        self._expect(saved.state, is_mixed=self._database.with_name("heksher.db-wal").exists())
        self.counts["put in place"] += 1

    def _restore(self) -> None:
        """Restore a backup into a new file of the same name; what was beside the former one may stay."""
        saved = self._chance.choice(self._saved)
        self._database.unlink()
        self._remove_some(self._chance.choice([(), ("-wal",), ("-shm",), ("-wal", "-shm")]))
        try:
            restore(saved.file, str(self._database))
        except StorageError as error:
            # The former log may have all that a killed process has stored.
            if "does not belong" not in str(error) or not self._database.with_name("heksher.db-wal").exists():
                raise
            self.counts["refused"] += 1
            self._remove_some(("-wal", "-shm"))
            restore(saved.file, str(self._database))
        self._expect(saved.state)
        self.counts["restore"] += 1

    def _remove_some(self, endings: tuple[str, ...]) -> None:
        for ending in endings:
            self._database.with_name(self._database.name + ending).unlink(missing_ok=True)

    def _expect(self, state: State, *, is_mixed: bool = False) -> None:
        self._expected, self._may_have_more, self._is_mixed = state, False, is_mixed

    def _check(self) -> None:
        """Open the database as a service does, do what it says if it refuses, and compare."""
        try:
            self._look()
        except StorageError as error:
            if not (self._is_mixed and "does not belong" in str(error)):
                raise
            self.counts["refused"] += 1
            self._remove_some(("-wal", "-shm"))
            self._look()
        else:
            self.counts["opened"] += 1

    def _look(self) -> State:
        """Return what the database holds, once it is what it has to be."""
        storage = SqlStorage(str(self._database))
        storage.open()
        try:
            state = _see(storage)
        finally:
            storage.close()
        if state != self._expected and not (self._may_have_more and self._is_one_more(state)):
            raise DrillError(f"{self.counts}: revision {state[0]} instead of {self._expected[:1]}")
        self._expect(state)
        return state

    def _is_one_more(self, state: State) -> bool:
        """Return whether a state has what was answered, and the one write that was not."""
        answered, log = (_get_log(each) for each in (self._expected, state))
        return len(log) - len(answered) == 1 and log[: len(answered)] == answered


class _Process:
    """A process that tells of states, and is killed or ends.

    Args:
        work: what it does; it is given a function that tells of a state.
    """

    def __init__(self, work: Callable[[Callable[[State], None]], None]) -> None:
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reading)
            _live(work, writing)
        os.close(writing)
        self._states = os.fdopen(reading, "rb")

    def states(self) -> Iterator[State]:
        """Yield what it tells, until it has ended."""
        while len(head := self._states.read(_LENGTH.size)) == _LENGTH.size:
            size = _LENGTH.unpack(head)[0]
            if len(content := self._states.read(size)) < size:
                return
            yield pickle.loads(content)  # noqa: S301 - of our own child

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def wait(self, *, is_killed: bool) -> None:
        self._states.close()
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        if status != (-signal.SIGKILL if is_killed else 0):
            raise DrillError(f"a process that writes ended with {status}")


def _live(work: Callable[[Callable[[State], None]], None], told: int) -> None:
    status = 1
    try:
        with os.fdopen(told, "wb", buffering=0) as pipe:

            def tell(state: State) -> None:
                content = pickle.dumps(state)
                pipe.write(_LENGTH.pack(len(content)) + content)

            work(tell)
        status = 0
    finally:
        os._exit(status)


def _write_some(database: Path, seed: float, writes: int, tell: Callable[[State], None], *, is_waiting: bool) -> None:
    chance = random.Random(seed)  # noqa: S311 - see above
    storage = SqlStorage(str(database))
    storage.open()
    for _ in range(writes):
        _write_one(storage, chance)
        tell(_see(storage))
        # As SQLite itself does after a thousand pages: the log is copied into the file, in part or whole.
        if chance.random() < 0.3:
            with closing(sqlite3.connect(database)) as other:
                other.execute(f"PRAGMA wal_checkpoint({chance.choice(['PASSIVE', 'TRUNCATE'])})")
    if is_waiting:
        signal.pause()
    storage.close()


def _fill(writer: Writer) -> None:
    setting = SettingRecord("setting", "str", "", frozenset({"user"}), "1.0")
    writer.set_context_features(["user"])
    writer.record(change_features("add", [], ["user"]))
    writer.add_setting(setting)
    writer.record(change_setting("declare", None, setting, ["user"]))


def _write_one(storage: Storage, chance: random.Random) -> None:
    value = chance.choice("abc") * chance.choice(LENGTHS)
    there = [rule.rule_id for rule in storage.read(lambda reader: reader.rules())]
    kind = chance.choice(["add", "set", "set", "delete", "metadata", "feature"]) if there else "add"
    if kind == "add":
        rules.add(storage, "setting", {"user": f"user_{chance.random()}"}, value, {}, NOBODY)
    elif kind == "set":
        rules.set_value(storage, chance.choice(there), f"{value}{chance.random()}", NOBODY)
    elif kind == "delete":
        rules.delete(storage, chance.choice(there), NOBODY)
    elif kind == "metadata":
        edit = metadata.merge({"note": f"{value}{chance.random()}"})
        metadata.edit_of_rule(storage, chance.choice(there), edit, NOBODY)
    else:
        write_something(storage)


def _see(storage: Storage) -> State:
    """Return everything that a database holds, after checking that its log leads to its contents."""
    state = (*see_everything(storage), see_last_changes(storage))
    picture = storage.read(take_picture)
    if advance(make_picture(0, (), ()), _get_log(state))[0] != picture:
        raise DrillError(f"the log does not lead to what is stored at revision {state[0]}")
    return state


def _get_log(state: State) -> list[Any]:
    log: Any = state[-2]
    return list(log)


def run_drills(seeds: range) -> Counter[str]:
    """Run a sequence for each seed; return how often what was done.

    Raises:
        DrillError: a database was wrong; the message has the seed.
    """
    counts: Counter[str] = Counter()
    for seed in seeds:
        # In memory, where there is such a place: nothing here depends on what a power cut would leave.
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
            drill = Drill(Path(directory), seed)
            try:
                drill.run()
            except Exception as error:
                raise DrillError(f"seed {seed}: {error!r}") from error
            counts += drill.counts
    return counts


def main() -> int:
    """Run the drills, and print what was done; a database that is wrong ends them."""
    parser = argparse.ArgumentParser(prog="tests.hostile.restores", description=__doc__)
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first sequence")
    options = parser.parse_args()
    counts = run_drills(range(options.seed, options.seed + options.sequences))
    lines = [f"{count:8,} {what}" for what, count in sorted(counts.items())]
    sys.stdout.write("\n".join([f"{options.sequences} sequences, never a wrong state:", *lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
