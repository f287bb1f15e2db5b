"""Running the documentation: its Python blocks are programs, and the comments in them are promises.

The ``python`` blocks of a page are one program, in the order in which they stand. What it prints has to be what the
page says: the comment at the end of a line with ``print(...)``, or the comment lines that follow it::

    print(setting.get())  # 60
    print(setting.explain())
    # the first line
    # the second line

A page speaks of a service at ``SERVICE_URL``; when it is run, that is replaced by the address of a real one.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from heksher.server.options import OPTIONS
from tests.support.processes import ROOT, run_python

SERVICE_URL = "http://127.0.0.1:8000"

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT_LINE = re.compile(r"\s*# ?(.*)")


def list_pages() -> list[Path]:
    """List the pages that have Python in them."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in pages if "build" not in page.parts and read_program(page)]


def read_program(page: Path) -> str:
    """Put the Python blocks of a page together; empty if it has none."""
    return "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8")))


def read_promises(program: str) -> list[str]:
    """List the lines that a program promises to print."""
    lines = program.splitlines()
    promises = []
    for number, comment in _list_print_statements(program):
        if comment:
            promises.append(comment.removeprefix("#").strip())
        else:
            promises.extend(_read_comment_lines(lines[number:]))
    return promises


def run_program(program: str, service_url: str) -> list[str]:
    """Run a program in a process of its own, and return the lines that it prints."""
    return run_python(["-"], program.replace(SERVICE_URL, service_url))


def _list_print_statements(program: str) -> Iterator[tuple[int, str]]:
    """Return, for each statement that prints, the number of its last line and the comment there."""
    prints, comment = False, ""
    for token in tokenize.generate_tokens(io.StringIO(program).readline):
        if token.type == tokenize.NAME and token.string == "print":
            prints = True
        elif token.type == tokenize.COMMENT:
            comment = token.string
        elif token.type == tokenize.NEWLINE:
            if prints:
                yield token.start[0], comment
            prints, comment = False, ""
        elif token.type == tokenize.NL:
            comment = "" if not prints else comment


def _read_comment_lines(lines: list[str]) -> Iterator[str]:
    for line in lines:
        match = _COMMENT_LINE.fullmatch(line)
        if match is None:
            return
        yield match[1].rstrip()


def list_environment_variables() -> set[str]:
    """Return the environment variables that the program reads: those of its options, and texts that look like one."""
    found = {option.variable for option in OPTIONS if option.variable is not None}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch("HEKSHER_[A-Z_]+", str(node.value)):
                found.add(node.value)
    return found
