"""The command line, one module per group of commands. It needs ``heksher[server]``.

This module imports nothing of that extra, so that it can say what is missing.
"""

import sys

# What the extra "server" installs, by the names that its parts are imported by.
_EXTRA = frozenset(
    {
        "alembic", "backports", "click", "fastapi", "httptools", "prometheus_client", "pydantic", "sqlalchemy",
        "starlette", "uvicorn", "uvloop",
    }
)  # fmt: skip


def main() -> None:
    """Run the command line."""
    try:
        from heksher.cli.root import heksher  # noqa: PLC0415 - see above

        heksher()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        sys.exit(f'the command line needs {error.name}, which is not installed: pip install "heksher[server]"')
