"""Running what the documentation shows of a shell: its ``console`` blocks, in which commands follow ``$``.

What stands below ``heksher ...`` is what the command has to write, with times of its own. What ``curl ...`` asks for
has to be there; it is read here, and sent, so that no machine needs curl for it.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2

from tests.support.processes import DEADLINE_S

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# The options of curl that pages use, with what each has after it.
_CURL_OPTIONS = {"-X": "method", "-H": "header", "-d": "data"}


class ShownCommand(NamedTuple):
    """A command that a page shows, and the lines that it shows below it."""

    text: str
    lines: list[str]


def read_sessions(page: Path) -> Iterator[ShownCommand]:
    """Read the commands of a page, in the order in which they stand."""
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = re.sub(r"\\\n\s*", "", part).splitlines()
            yield ShownCommand(command, lines)


def run_command(command: str, url: str) -> list[str]:
    """Run a command that asks the service at a URL; return the lines that a terminal would show, times hidden."""
    if command.startswith("curl "):
        return _send(shlex.split(command)[1:], url)
    environment = {**os.environ, "HEKSHER_URL": url, "HEKSHER_TOKEN": ""}
    result = subprocess.run(
        ["sh", "-c", f'heksher() {{ {shlex.quote(sys.executable)} -m heksher "$@"; }}\n{command}'],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return hide_times(result.stdout.splitlines())


def hide_times(lines: list[str]) -> list[str]:
    """Return lines in which all times are the same."""
    return [_TIME.sub("TIME", line) for line in lines]


def _send(arguments: list[str], url: str) -> list[str]:
    """Send what a command of curl would; there is nothing to be shown of it but that it is answered."""
    given: dict[str, list[str]] = {"method": [], "header": [], "data": [], "": []}
    rest = iter(arguments)
    for argument in rest:
        kind = _CURL_OPTIONS.get(argument, "")
        given[kind].append(next(rest) if kind else argument)
    [target] = given[""]
    method = given["method"][0] if given["method"] else "POST" if given["data"] else "GET"
    headers = dict(header.split(": ", 1) for header in given["header"] if "$HEKSHER_TOKEN" not in header)
    answer = httpx2.request(
        method, target.replace("$HEKSHER_URL", url), headers=headers, content="".join(given["data"])
    )
    return [] if answer.is_success else [answer.text]
