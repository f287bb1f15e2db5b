"""Find a browser for ``make test-browser``, or install one, and print where it is.

In this order: the one that ``HEKSHER_TEST_BROWSER`` names; one of the Chromium family on ``PATH``; Debian's package,
where this is root on such a system; else the build that Playwright downloads, into ``.browsers``. Tests drive it by
Playwright, which has no part of the browser in it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOWNLOADS = ROOT / ".browsers"
VARIABLE = "HEKSHER_TEST_BROWSER"

PROGRAMS = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge",
)  # fmt: skip
PACKAGE = "chromium-headless-shell"
# What the programs are called in Playwright's downloads.
DOWNLOADED = ("chrome-headless-shell", "headless_shell", "chrome-headless-shell.exe")

Find = Callable[[], str | None]


def main() -> int:
    """Print the path of a browser; return the exit status."""
    browser = os.environ.get(VARIABLE) or find_browser()
    if browser and shutil.which(browser):
        print(browser)
        return 0
    named = f"{browser!r}, which {VARIABLE} names, is no program" if browser else "no browser is found, nor installed"
    print(
        f"browser: {named} (reasons stand above). Install Chromium or Chrome, or name one in {VARIABLE}",
        file=sys.stderr,
    )
    return 1


def find_browser() -> str | None:
    """Return the path of a browser, which is installed if need be; ``None`` if that cannot be done."""
    ways: tuple[Find, ...] = (find_program, find_download, install_package, download)
    return next((browser for browser in (find() for find in ways) if browser), None)


def find_program() -> str | None:
    """Return a browser that is installed."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


def find_download() -> str | None:
    """Return a browser that was downloaded before."""
    found = sorted(path for name in DOWNLOADED for path in DOWNLOADS.rglob(name))
    return str(found[-1]) if found else None


def install_package() -> str | None:
    """Install Debian's package, where that is possible; return the browser."""
    program = shutil.which("apt-get")
    if program is None or os.geteuid() != 0:
        return None
    say(f"installing Debian's {PACKAGE}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", PACKAGE]):
        # What has to be seen of it is seen when it fails.
        done = subprocess.run(
            [program, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            say(f"apt-get {command[0]} failed: {done.stdout}")
    return find_program()


def download() -> str | None:
    """Have Playwright download its build; return it."""
    say("downloading the build of Playwright")
    command = [sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"]
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(DOWNLOADS)}
    subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    return find_download()


def say(message: str) -> None:
    """Tell what is being done: it can take a minute. The standard output is for the path."""
    print(f"browser: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
