"""The options of the service: the one table that the command line, the environment and the documentation share.

To add an option, add an attribute with its default to ``Config``, a row here, and a row to the documentation (a test
checks that). Import nothing slow here: ``heksher --help`` shows this table.

Source: docs/reference/compatibility.md, *Start-up configuration of the existing service* (the rows marked so).
"""

from dataclasses import dataclass
from typing import Final

from heksher.server.config import CONTEXT_FEATURES_VARIABLE, MAX_WORKERS, Config
from heksher.server.option_kind import Choice, FeatureNames, Number, OptionKind, OptionValue, Text, Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option of the service.

    Attributes:
        name: the attribute of ``Config``.
        kind: the kind of its values.
        help: its meaning, in one sentence in lower case.
        flag: the command-line option; ``None`` if there is none.
        variable: the environment variable; ``None`` if there is none.
        default_help: what happens without the option; ``None`` if the default says it.
    """

    name: str
    kind: OptionKind
    help: str
    flag: str | None = None
    variable: str | None = None
    default_help: str | None = None

    @property
    def default(self) -> OptionValue | None:
        """The default in ``Config``; ``None`` if it depends on other things."""
        default: OptionValue | None = getattr(_DEFAULTS, self.name)
        return default

    def describe_default(self) -> str:
        """Return in words what happens without the option."""
        if self.default_help is not None:
            return self.default_help
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)


_DEFAULTS: Final = Config(database="")

HOST: Final = Option(
    name="host", kind=Text("TEXT"), flag="--host", variable="HEKSHER_HOST", help="the address to listen on"
)

PORT: Final = Option(
    name="port",
    kind=Number("port", most=65535),
    flag="--port",
    variable="HEKSHER_PORT",
    help="the port to listen on; 0 lets the system choose a free one",
)

DATABASE: Final = Option(
    name="database",
    kind=Text("PATH"),
    flag="--db",
    variable="HEKSHER_DB_CONNECTION_STRING",  # the existing service's
    help="the database: the path of an SQLite file, or a URL: sqlite:///PATH, postgresql://user:password@host:port/db;"
    " or memory:",
    default_help="a file in the user's data directory",
)

OPTIONS: Final = (
    HOST,
    PORT,
    DATABASE,
    Option(
        name="context_features",
        kind=FeatureNames(),
        flag="--context-features",
        variable=CONTEXT_FEATURES_VARIABLE,  # the existing service's
        help="make the service's context features exactly these, by inserting what is missing; separated by commas, in"
        " the variable by semicolons",
        default_help="the stored ones stay",
    ),
    Option(
        name="doc_only",
        kind=Truth(),
        variable="DOC_ONLY",  # the existing service's
        help="only the documentation and health routes work, and there is no database",
    ),
    Option(
        name="max_body_bytes",
        kind=Number("number of bytes", least=1),
        variable="HEKSHER_MAX_BODY_BYTES",
        help="the largest request body that is read, in bytes; a larger one is answered 413",
    ),
    Option(
        name="max_cache_bytes",
        kind=Number("number of bytes"),
        variable="HEKSHER_CACHE_BYTES",
        help="how many bytes of answers to queries each worker keeps to give them again; 0 keeps none",
    ),
    Option(
        name="workers",
        kind=Number("number of workers", least=1, most=MAX_WORKERS),
        flag="--workers",
        variable="HEKSHER_WORKERS",
        help="how many processes answer; they share the address and the database, which cannot be memory: then",
    ),
    Option(
        name="log_format",
        kind=Choice(("text", "json")),
        flag="--log-format",
        variable="HEKSHER_LOG_FORMAT",
        help="how log lines are written: as text for people, or as JSON objects",
    ),
    Option(
        name="has_access_log",
        kind=Truth(),
        flag="--access-log",
        variable="HEKSHER_ACCESS_LOG",
        help="each request is logged",
    ),
    Option(
        name="first_version",
        kind=Choice(("1.0", "any")),
        flag="--first-version",
        variable="HEKSHER_FIRST_VERSION",
        help="the version that the first declaration of a setting must have; any lets an empty service accept programs"
        " that are beyond 1.0",
    ),
)
