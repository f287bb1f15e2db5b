"""The command line, one module per group of commands.

``local`` has the commands on the machine of a service, which need ``heksher[server]``; ``remote`` those that ask a
service over HTTP, for which ``heksher[cli]`` is enough. This module imports nothing from the extras, so that it can
report when one is missing.
"""

import sys
from typing import Final

# The import names of the parts of each extra.
_EXTRAS: Final = {
    "cli": frozenset({"click", "rich"}),
    "server": frozenset(
        {
            "alembic", "argon2", "authlib", "backports", "fastapi", "httptools", "itsdangerous", "jsonschema",
            "prometheus_client", "pydantic", "sqlalchemy", "starlette", "uvloop",
        }
    ),
}  # fmt: skip


def main() -> None:
    """Run the command line."""
    try:
        from heksher.cli.root import heksher  # noqa: PLC0415 - see above

        heksher()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        extra = next((extra for extra, names in _EXTRAS.items() if missing in names), None)
        if extra is None:
            raise
        sys.exit(
            f"this command needs {error.name}, which is not installed: install heksher with its extra {extra},"
            f" as by pip install 'heksher[{extra}]'"
        )
