"""The command line, one module per group of commands. It needs ``heksher[server]``.

This module imports nothing from that extra, so that it can report when the extra is missing.
"""

import sys

# The import names of the parts of the extra "server".
_EXTRA = frozenset(
    {
        "alembic", "argon2", "authlib", "backports", "click", "fastapi", "httptools", "itsdangerous",
        "prometheus_client", "pydantic", "sqlalchemy", "starlette", "uvloop",
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
        sys.exit(
            f'the command line needs {error.name}, which is not installed: install heksher with its extra "server"'
        )
