"""Files with the operations of a bulk write or a proposal, as ``POST /api/v1/bulk`` takes them."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from heksher.cli.shared_option import Decorator

_FORM: Final = 'a list of operations such as {"method": "PUT", "path": "/api/v1/rules/7/value", "body": {"value": 10}}'


# What a file with operations has: see ``OperationFile``.
Operations = list[dict[str, Any]]


class OperationFile(click.ParamType[Operations]):
    """The path of a file with operations; ``-`` is the standard input."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Operations:
        """Return the operations."""
        try:
            text = sys.stdin.read() if value == "-" else Path(value).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            self.fail(f"{value!r} cannot be read: {error}", param, ctx)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.fail(f"{value!r} has no JSON: {error}", param, ctx)
        operations = content.get("operations") if isinstance(content, dict) else content
        if not isinstance(operations, list) or not operations:
            self.fail(f"{value!r} has to have {_FORM}, or an object with such a list as operations", param, ctx)
        return operations


operations_argument: Final[Decorator] = click.argument("operations", metavar="FILE", type=OperationFile())
