"""Tests of the directories that are removed even if their process was killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heksher.server import scratch
from heksher.server.scratch import remove_leftovers, scratch_directory


@contextmanager
def other_process(prefix: str, parent: Path) -> Iterator[int]:
    """Run a process that has a directory, with a file in it, and does not end by itself."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with scratch_directory(prefix, parent) as directory:
            (directory / "backup.db").write_text("secret")
            os.write(writing, b"x")
            signal.pause()
        os._exit(0)
    os.read(reading, 1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


def test_it_is_private_and_ends_with_its_task(tmp_path: Path) -> None:
    """Nobody else can read it, also where the files in it can be read by anybody."""
    with scratch_directory("task-", tmp_path) as directory:
        assert (tmp_path, 0o700) == (directory.parent, directory.stat().st_mode & 0o777)
        assert directory.name.startswith("task-")
        (directory / "file").write_text("")
    assert [] == list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    """And nothing else: what is in use stays, and so does what only looks like it."""
    (tmp_path / "task-file").write_text("")
    (tmp_path / "task-link").symlink_to(tmp_path)
    (tmp_path / "another-directory").mkdir()
    kept = {path.name for path in tmp_path.iterdir()}
    with other_process("task-", tmp_path):
        (used,) = {path.name for path in tmp_path.iterdir()} - kept
        with scratch_directory("task-", tmp_path) as own:
            assert kept | {used, own.name} == {path.name for path in tmp_path.iterdir()}
    assert kept | {used} == {path.name for path in tmp_path.iterdir()}
    with scratch_directory("task-", tmp_path) as own:
        assert kept | {own.name} == {path.name for path in tmp_path.iterdir()}


def test_a_forked_process_goes_on_using_it(tmp_path: Path) -> None:
    """As the workers do whose parent was killed, until they notice."""
    with scratch_directory("task-", tmp_path) as directory:
        inherited = os.fork()
        if inherited == 0:
            signal.pause()
        child = os.fork()
        if child == 0:
            remove_leftovers("task-", tmp_path)
            os._exit(0)
        os.waitpid(child, 0)
        assert directory.exists()
        os.kill(inherited, signal.SIGKILL)
        os.waitpid(inherited, 0)


def test_one_that_another_start_takes_for_a_leftover_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making and locking it, another process may remove it: then another one is made."""
    lock, removed = scratch._lock, []

    def lock_late(directory: Path) -> int | None:
        descriptor = lock(directory)
        if not removed:
            removed.append(directory)
            directory.rmdir()
        return descriptor

    monkeypatch.setattr(scratch, "_lock", lock_late)
    with scratch_directory("task-", tmp_path) as directory:
        assert directory.exists()
        assert removed != [directory]


def test_a_place_that_cannot_be_read_has_no_leftovers(tmp_path: Path) -> None:
    """Cleaning up keeps nobody from starting."""
    remove_leftovers("task-", tmp_path / "missing")


def test_without_locks_nothing_is_cleaned_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: what lies there may be in use."""
    monkeypatch.setattr(scratch, "_HAS_LOCKS", False)
    (tmp_path / "task-old").mkdir()
    remove_leftovers("task-", tmp_path)
    with scratch_directory("task-", tmp_path) as directory:
        assert directory.exists()
    assert ["task-old"] == [path.name for path in tmp_path.iterdir()]
