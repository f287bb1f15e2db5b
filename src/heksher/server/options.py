"""The options of the service: the one table that the command line, the environment and the documentation share.

To add an option, add an attribute with its default to ``Config``, a row here, and a row to the documentation (a test
checks that). Import nothing slow here: ``heksher --help`` shows this table.

Source: docs/reference/compatibility.md, *Start-up configuration of the existing service* (the rows marked so).
"""

from dataclasses import dataclass, replace
from typing import Final

from heksher.server.address_kind import HeaderName, Hosts, ListenHost, Networks, PublicURL, WebOrigins
from heksher.server.config import CONTEXT_FEATURES_VARIABLE, MAX_WORKERS, Config
from heksher.server.limits import MAX_USAGE_DAYS
from heksher.server.oidc_kind import GroupGrants, Issuer, Scopes, Secret
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
        may_be_empty: whether an empty variable counts as missing; otherwise it is an error.
    """

    name: str
    kind: OptionKind
    help: str
    flag: str | None = None
    variable: str | None = None
    default_help: str | None = None
    may_be_empty: bool = True

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
    name="host", kind=ListenHost("TEXT"), flag="--host", variable="HEKSHER_HOST", help="the address to listen on"
)

PORT: Final = Option(
    name="port",
    kind=Number("port", most=65535),
    flag="--port",
    variable="HEKSHER_PORT",
    help="the port to listen on; 0 lets the system choose a free one",
)

# For commands that ask a service after its address.
ASKED_HOST: Final = replace(HOST, help="the address that the service listens on")
ASKED_PORT: Final = replace(PORT, help="the port that the service listens on")

_DATABASE_HELP: Final = (
    "the database: the path of an SQLite file, or a URL: sqlite:///PATH, postgresql://user:password@host:port/db"
)

DATABASE: Final = Option(
    name="database",
    kind=Text("PATH"),
    flag="--db",
    variable="HEKSHER_DB_CONNECTION_STRING",  # the existing service's
    help=f"{_DATABASE_HELP}; or memory:",
    default_help="a file in the user's data directory",
    # A secret that was not filled in: the service would start with an empty database, and nobody would know.
    may_be_empty=False,
)

# For commands that leave something in it, which memory would not keep.
LASTING_DATABASE: Final = replace(DATABASE, help=_DATABASE_HELP)

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
        kind=Number("number of bytes", least=1000, most=2**30),
        variable="HEKSHER_MAX_BODY_BYTES",
        help="the largest request body that is read, in bytes; a larger one is answered 413",
    ),
    Option(
        name="max_cache_bytes",
        kind=Number("number of bytes", least=2**20, most=2**40, is_zero_valid=True),
        variable="HEKSHER_CACHE_BYTES",
        help="how many bytes of answers to queries, and of these queries, each worker keeps to give them again; 0 keeps"
        " none",
    ),
    Option(
        name="max_settings",
        kind=Number("number of settings", least=1, most=10_000_000),
        flag="--max-settings",
        variable="HEKSHER_MAX_SETTINGS",
        help="how many settings there may be before new ones are answered 507",
    ),
    Option(
        name="max_rules",
        kind=Number("number of rules", least=1, most=1_000_000_000),
        flag="--max-rules",
        variable="HEKSHER_MAX_RULES",
        help="how many rules there may be before new ones are answered 507",
    ),
    Option(
        name="max_connections",
        kind=Number("number of connections", least=1),
        flag="--max-connections",
        variable="HEKSHER_MAX_CONNECTIONS",
        help="how many connections each worker has open at most; never more than the limit of file descriptors leaves",
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
    Option(
        name="public_url",
        kind=PublicURL(),
        flag="--public-url",
        variable="HEKSHER_PUBLIC_URL",
        help="the URL at which browsers reach the service, if there is a proxy: only its pages may write",
        default_help="the host that a request names",
    ),
    Option(
        name="allowed_hosts",
        kind=Hosts(),
        flag="--allowed-hosts",
        variable="HEKSHER_ALLOWED_HOSTS",
        help="names that a request to a loopback address may be for, besides localhost, loopback addresses and the"
        " public URL's; separated by commas",
        default_help="none",
    ),
    Option(
        name="cors_origins",
        kind=WebOrigins(),
        flag="--cors-origins",
        variable="HEKSHER_CORS_ORIGINS",
        help="origins of web pages elsewhere that may call the routes which are open to them (evaluation);"
        " separated by commas",
        default_help="none",
    ),
    Option(
        name="trusted_proxies",
        kind=Networks(),
        flag="--trusted-proxies",
        variable="HEKSHER_TRUSTED_PROXIES",
        help="addresses and networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; separated"
        " by commas",
        default_help="nobody, not even 127.0.0.1",
    ),
    Option(
        name="has_access",
        kind=Truth(),
        flag="--access",
        variable="HEKSHER_ACCESS",
        help="it is checked who may do what: callers need tokens, which heksher access token create makes",
        default_help="false, so only loopback addresses can be listened on, unless it is insecure",
    ),
    Option(
        name="proxy_user_header",
        kind=HeaderName("TEXT"),
        flag="--proxy-user-header",
        variable="HEKSHER_PROXY_USER_HEADER",
        help="with --access, the header in which the trusted proxies name the person who has signed in there",
        default_help="none: no proxy is believed for who somebody is",
    ),
    Option(
        name="has_metrics_access",
        kind=Truth(),
        flag="--metrics-access",
        variable="HEKSHER_METRICS_ACCESS",
        help="with --access, the metrics need a token that may read, too",
    ),
    Option(
        name="is_insecure",
        kind=Truth(),
        flag="--insecure",
        variable="HEKSHER_INSECURE",
        help="everybody who reaches the service may do everything, also from other machines and through proxies",
    ),
    Option(
        name="oidc_issuer",
        kind=Issuer(),
        flag="--oidc-issuer",
        variable="HEKSHER_OIDC_ISSUER",
        help="the OpenID Connect provider through which people can sign in: its identifier, exactly as it has it; needs"
        " --access and --public-url",
        default_help="none",
    ),
    Option(
        name="oidc_client_id",
        kind=Text("TEXT"),
        flag="--oidc-client-id",
        variable="HEKSHER_OIDC_CLIENT_ID",
        help="what the provider calls this service",
        default_help="none",
    ),
    Option(
        name="oidc_client_secret",
        kind=Secret("TEXT"),
        # No flag: whoever is on the machine can see those of a process.
        variable="HEKSHER_OIDC_CLIENT_SECRET",
        help="the secret that the provider has given this service",
        default_help="none, as for a public client",
    ),
    Option(
        name="oidc_grants",
        kind=GroupGrants(),
        flag="--oidc-grants",
        variable="HEKSHER_OIDC_GRANTS",
        help="what people may do, by the groups that the provider says they are in, such as"
        " support=edit:frontend.;platform=admin",
        default_help="nothing",
    ),
    Option(
        name="oidc_groups_claim",
        kind=Text("TEXT"),
        flag="--oidc-groups-claim",
        variable="HEKSHER_OIDC_GROUPS_CLAIM",
        help="the claim in which the provider names somebody's groups",
    ),
    Option(
        name="oidc_scopes",
        kind=Scopes(),
        flag="--oidc-scopes",
        variable="HEKSHER_OIDC_SCOPES",
        help="what the provider is asked to tell of people; separated by commas",
        default_help="openid,profile,email",
    ),
    Option(
        name="max_value_bytes",
        kind=Number("number of bytes", least=1),
        flag="--max-value-bytes",
        variable="HEKSHER_MAX_VALUE_BYTES",
        help="the most bytes that the JSON of a default value, of a rule's value or of metadata may have; more is"
        " answered 422",
    ),
    Option(
        name="keep_history_days",
        kind=Number("number of days", least=1),
        flag="--keep-history-days",
        variable="HEKSHER_KEEP_HISTORY_DAYS",
        help="for how many days entries of the change log stay; older ones are removed daily, except for the newest",
        default_help="they stay for ever",
    ),
    Option(
        name="has_webhooks",
        kind=Truth(),
        flag="--webhooks",
        variable="HEKSHER_WEBHOOKS",
        help="webhooks are told of changes; not so where a copy of a database is tried out",
    ),
    Option(
        name="webhook_networks",
        kind=Networks(),
        flag="--webhook-networks",
        variable="HEKSHER_WEBHOOK_NETWORKS",
        help="addresses and networks that webhooks may be in though they are not public; separated by commas",
        default_help="none",
    ),
    Option(
        name="usage",
        kind=Choice(("on", "off")),
        flag="--usage",
        variable="HEKSHER_USAGE",
        help="whether it is counted which clients ask for which settings; off behind a cache that answers some of them",
    ),
    Option(
        name="protect_used_days",
        kind=Number("number of days", least=1, most=MAX_USAGE_DAYS),
        flag="--protect-used-days",
        variable="HEKSHER_PROTECT_USED_DAYS",
        help="deleting a setting that was asked for in so many days is answered 409, unless force=true says that it is"
        " meant; needs --usage on",
        default_help="every setting can be deleted",
    ),
)
