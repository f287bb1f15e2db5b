"""How ``make test-browser`` comes to a browser."""

import shutil
import sys
from pathlib import Path

import pytest

from tools import browser


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a browser, and without a way to install one; the place where downloads would be."""
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setattr(browser, "PROGRAMS", ("no-such-browser",))
    monkeypatch.setattr(browser, "DOWNLOADS", tmp_path)
    monkeypatch.setattr(browser, "install_package", lambda: None)
    monkeypatch.setattr(browser, "download", lambda: None)
    return tmp_path


def test_the_browser_that_is_named_is_taken(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Whatever else there is."""
    monkeypatch.setenv(browser.VARIABLE, sys.executable)
    assert (0, f"{sys.executable}\n") == (browser.main(), capsys.readouterr().out)


@pytest.mark.parametrize(
    ("named", "said"), [("", "no browser is found, nor installed"), ("/no/such", "'/no/such', which")]
)
def test_without_one_it_says_what_to_do(
    nothing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], named: str, said: str
):
    """And fails: no test is left out."""
    monkeypatch.setenv(browser.VARIABLE, named)
    assert 1 == browser.main()
    printed = capsys.readouterr()
    assert ("", True) == (printed.out, printed.err.startswith(f"browser: {said}"))
    assert "Install Chromium or Chrome, or name one in HEKSHER_TEST_BROWSER" in printed.err


def test_what_is_there_is_taken_before_anything_is_installed(nothing: Path, monkeypatch: pytest.MonkeyPatch):
    """A program of the machine before one that was downloaded, and that before another download."""
    downloaded = nothing / "chromium-1" / "chrome-headless-shell"
    downloaded.parent.mkdir()
    downloaded.touch()
    assert str(downloaded) == browser.find_browser()
    monkeypatch.setattr(browser, "PROGRAMS", ("no-such-browser", "sh"))
    assert shutil.which("sh") == browser.find_browser()


def test_a_package_is_not_installed_by_others_than_root(monkeypatch: pytest.MonkeyPatch):
    """The next way needs no rights."""
    monkeypatch.setattr(browser.os, "geteuid", lambda: 1000)
    assert browser.install_package() is None
