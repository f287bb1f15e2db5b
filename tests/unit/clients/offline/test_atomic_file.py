"""Files that are replaced as a whole."""

import os
import resource
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heksher.clients.offline.atomic_file import LEFTOVER_AGE_S, open_regular, replace_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def fail_after(chunk: bytes, error: BaseException) -> Iterator[bytes]:
    yield chunk
    raise error


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """Have every file refuse to grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def list_others(path: Path) -> list[Path]:
    return [other for other in path.parent.iterdir() if other != path]


# ---- what is written


def test_content(path: Path) -> None:
    """All pieces are written, in their order; nothing is left of what was there, nor beside it."""
    replace_file(path, [b"a longer text"])
    replace_file(path, [b"one ", b"", b"two"])
    assert path.read_bytes() == b"one two"
    assert [] == list_others(path)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_mode(path: Path, umask: int) -> None:
    """The file is the owner's alone, also when the one before was not, and when new files are everybody's."""
    path.write_bytes(b"")
    path.chmod(0o666)
    before = os.umask(umask)
    try:
        replace_file(path, [b"new"])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_that_is_open_stays_as_it_is(path: Path) -> None:
    """Who has opened the file reads on in what it opened."""
    replace_file(path, [b"old"])
    with open_regular(path) as file:
        replace_file(path, [b"new"])
        assert file.read() == b"old"


def test_order_of_synchronization(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is on the disk before the file has its name, and the name before the write is over."""
    replace_file(path, [b"old"])
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor), path.read_bytes())))
    replace_file(path, [b"newer"])
    assert [b"old", b"newer"] == [content for _, content in seen]
    written, directory = (status for status, _ in seen)
    assert len(b"newer") == written.st_size
    assert path.stat().st_ino == written.st_ino
    assert path.parent.stat().st_ino == directory.st_ino


def test_directory_that_cannot_be_synchronized(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that cannot bring directories to the disk, files are written all the same."""
    synchronize = os.fsync

    def synchronize_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError("invalid argument")
        synchronize(descriptor)

    monkeypatch.setattr(os, "fsync", synchronize_files_only)
    replace_file(path, [b"new"])
    assert path.read_bytes() == b"new"


# ---- what fails


@pytest.mark.parametrize("error", [RuntimeError("no more"), KeyboardInterrupt()])
def test_failure_leaves_the_file_as_it_was(path: Path, error: BaseException) -> None:
    """Whatever ends a write, the file is the one before, and nothing is left beside it."""
    replace_file(path, [b"old"])
    with pytest.raises(type(error)):
        replace_file(path, fail_after(b"new", error))
    assert path.read_bytes() == b"old"
    assert [] == list_others(path)


def test_full_disk(path: Path) -> None:
    """Where there is no room, the file is the one before, and nothing is left beside it."""
    replace_file(path, [b"old"])
    with disk_full_after(10_000), pytest.raises(OSError, match="File too large"):
        replace_file(path, [b"x" * 9_000, b"x" * 9_000])
    assert path.read_bytes() == b"old"
    assert [] == list_others(path)


def test_missing_directory(path: Path) -> None:
    """Without its directory, a file is not written: directories are the operator's to create."""
    with pytest.raises(FileNotFoundError):
        replace_file(path / "file", [b"new"])


# ---- what is no file


def test_symbolic_link(path: Path, tmp_path: Path) -> None:
    """A link is replaced by a file; what it leads to stays as it is. Reading follows it."""
    target = tmp_path / "target"
    target.write_bytes(b"old")
    path.symlink_to(target)
    with open_regular(path) as file:
        assert file.read() == b"old"
    replace_file(path, [b"new"])
    assert (path.read_bytes(), path.is_symlink(), target.read_bytes()) == (b"new", False, b"old")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_something_else_than_a_file(path: Path, make) -> None:
    """What is no file is neither replaced, which would destroy it, nor read, which might never end."""
    make(path)
    with pytest.raises(ValueError, match="it is no regular file"):
        replace_file(path, [b"new"])
    with pytest.raises((ValueError, OSError)), open_regular(path):
        pass
    assert not path.is_file()


# ---- what killed processes leave behind


def make_leftover(path: Path, name: str, age_s: float) -> Path:
    leftover = path.with_name(name)
    leftover.write_bytes(b"half a fi")
    os.utime(leftover, (time.time() - age_s,) * 2)
    return leftover


def test_leftovers(path: Path) -> None:
    """A temporary file that is old is removed by a write, one that is young, and so perhaps in use, is not."""
    old = make_leftover(path, ".file.1234-0123456789abcdef.tmp", LEFTOVER_AGE_S + 60)
    young = make_leftover(path, ".file.1234-0123456789abcdee.tmp", LEFTOVER_AGE_S - 60)
    replace_file(path, [b"new"])
    assert (old.exists(), young.exists()) == (False, True)


def test_files_of_others(path: Path) -> None:
    """What is not named as a temporary file of this very file is left alone, whatever its age."""
    names = [".file2.1-0123456789abcdef.tmp", ".file.tmp", ".file.1-0123456789abcdef.tmp.bak", "file.1.tmp", "other"]
    others = [make_leftover(path, name, LEFTOVER_AGE_S * 100) for name in names]
    replace_file(path, [b"new"])
    assert [] == [other for other in others if not other.exists()]


def test_name_of_a_temporary_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process leaves has a name by which a later write finds it, whatever the file's own name."""
    odd = path.with_name("a[b]*.(c)")
    names: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: names.extend(other.name for other in list_others(odd)))
    replace_file(odd, [b"old"])
    (name,) = names
    leftover = make_leftover(odd, name, LEFTOVER_AGE_S + 60)
    replace_file(odd, [b"new"])
    assert not leftover.exists()
