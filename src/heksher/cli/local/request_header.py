"""The header fields that a command sends with each request: from its options, from files and from the environment.

They may be credentials. So they need not stand in the command line, which everybody on the machine can see in the list
of processes, and no message has any part of them.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from heksher.wording import hide_secrets

# Fields as in a file, a line for each.
HEADERS_VARIABLE: Final = "HEKSHER_IMPORT_HEADERS"

# What an option begins with that names a file, as curl has it; no name of a field can begin so.
_FILE_SIGN: Final = "@"

_FORM: Final = "write it as 'name: value', in ASCII"

# They frame the request, which is the command's own business.
_FRAMING: Final = frozenset({"connection", "content-length", "te", "trailer", "transfer-encoding", "upgrade"})

# Source: RFC 9110, 5.6.2 (token).
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

header_option: Final = click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'K: V' | @FILE",
    callback=lambda _context, _option, given: read_headers(given),
    help="A header field to send with each request, such as credentials; @FILE reads them from a file, a line for each,"
    " so that they are not in the list of processes. Can be given several times."
    f"  [env: {HEADERS_VARIABLE}, a line for each; default: none]",
)


def read_headers(given: tuple[str, ...]) -> dict[str, str]:
    """Return the fields that options and the environment ask for; of two with one name, the option's, or the later one.

    Args:
        given: the values of the options.

    Raises:
        BadParameter: a file cannot be read, or a line is no field; the message says which one, and has nothing of it.
    """
    fields: dict[str, tuple[str, str]] = {}
    for name, value in _read_all(given):
        fields[name.lower()] = (name, value)
    return dict(fields.values())


def _read_all(given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    try:
        yield from _read_lines(os.environ.get(HEADERS_VARIABLE, ""))
    except click.BadParameter as error:
        raise click.BadParameter(error.message, param_hint=HEADERS_VARIABLE) from None
    for text in given:
        if text.startswith(_FILE_SIGN):
            yield from _read_file(text.removeprefix(_FILE_SIGN))
        else:
            yield _read_field(text)


def _read_file(path: str) -> Iterator[tuple[str, str]]:
    if not path:
        raise click.BadParameter(f"{_FILE_SIGN} needs the name of a file after it")
    name = repr(hide_secrets(path))
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise click.BadParameter(f"the file {name} cannot be read: {error.strerror}") from None
    try:
        yield from _read_lines(text)
    except click.BadParameter as error:
        raise click.BadParameter(f"the file {name}, {error.message}") from None


def _read_lines(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield _read_field(line)
            except click.BadParameter as error:
                raise click.BadParameter(f"line {number}: {error.message}") from None


def _read_field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    is_printable = text.isascii() and text.replace("\t", " ").isprintable()
    if not colon or not _NAME.fullmatch(name.strip()) or not is_printable:
        raise click.BadParameter(_FORM)
    if name.strip().lower() in _FRAMING:
        raise click.BadParameter(f"the field {name.strip()} is set by the command itself")
    return name.strip(), value.strip()
