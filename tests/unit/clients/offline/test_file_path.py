"""The paths of files that a program gives to its client."""

from pathlib import Path

import pytest

from heksher.clients.offline.file_path import read_path
from heksher.exceptions import ArgumentTypeError, InvalidOptionError


def test_path(tmp_path: Path) -> None:
    """A text and a path object stand for a path."""
    assert [tmp_path / "file"] * 2 == [read_path("x", path) for path in (tmp_path / "file", f"{tmp_path}/file")]


def test_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``~`` stands for the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [tmp_path / "file"] * 2 == [read_path("x", path) for path in ("~/file", Path("~/file"))]


@pytest.mark.parametrize("path", ["", "~nobody-of-this-name/file"])
def test_text_that_is_no_path(path: str) -> None:
    """An empty text is not the current directory, and a home directory must be there."""
    with pytest.raises(InvalidOptionError, match="last_known_file"):
        read_path("last_known_file", path)


@pytest.mark.parametrize("path", [5, True, b"file", ["file"]])
def test_no_path(path: object) -> None:
    """Anything else is an error that names the option."""
    with pytest.raises(ArgumentTypeError, match="last_known_file must be the path of a file, not "):
        read_path("last_known_file", path)
