"""The configuration of a service. ``options`` lists where each value comes from, ``config_reader`` reads them."""

from dataclasses import dataclass, field
from typing import Final, Literal

from heksher.server.limits import (
    MAX_BODY_BYTES,
    MAX_CACHE_BYTES,
    MAX_CONNECTIONS,
    MAX_RULES,
    MAX_SETTINGS,
    MAX_VALUE_BYTES,
)
from heksher.server.logs import LogFormat

# Each worker is a process with its own catalog: a higher number is a typing error.
MAX_WORKERS: Final = 256

# The existing service's: what the log and refusals say is missing where it was not set.
CONTEXT_FEATURES_VARIABLE: Final = "HEKSHER_STARTUP_CONTEXT_FEATURES"

# Which versions a setting may begin with: what the existing service demands, or any.
FirstVersion = Literal["1.0", "any"]
Usage = Literal["on", "off"]


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a service.

    Attributes:
        database: a URL, or the path of an SQLite file.
        context_features: the list of context features to set at start; ``None`` keeps the stored list.
        doc_only: whether there is no database, so that only the documentation and health routes work.
        max_body_bytes: the largest request body that is read.
        max_value_bytes: the most bytes that the JSON of a value, or of metadata, may have.
        keep_history_days: for how many days entries of the change log stay; ``None`` for ever.
        usage: whether it is counted which clients ask for which settings.
        protect_used_days: for so many days after somebody has asked for a setting it is only deleted if that is said
            to be meant; ``None`` protects none.
        is_default_database: whether the database was not configured, so that its directory may not exist yet.
        max_cache_bytes: the size of the cache of answers in each worker, in bytes.
        max_connections: how many connections each worker has open at most.
        max_settings: the number of settings from which on none is added.
        max_rules: the number of rules from which on none is added.
        workers: the number of processes that answer.
        log_format: the format of the log.
        has_access_log: whether each request is logged.
        first_version: the version that the first declaration of a setting must have.
        host: the name or address to listen on.
        port: the port to listen on; 0 lets the system choose.
        public_url: the URL at which browsers reach the service, without a slash at its end; ``None`` if they reach it
            at the host that they name in their requests.
        allowed_hosts: the names, besides those of the machine itself, that a request which arrives at a loopback
            address may have been sent to.
        cors_origins: the origins of web pages that may call the routes which are open to them.
        trusted_proxies: the addresses and networks of the proxies that are believed for whom a request comes from.
        has_access: whether it is checked who may do what.
        proxy_user_header: the header in which a trusted proxy names who has signed in there; ``None`` if none does.
        has_metrics_access: whether the metrics need a credential, too.
        is_insecure: whether everybody may do everything, wherever they come from.
        oidc_issuer: the provider of identities through which people can sign in, by its identifier; ``None`` for none.
        oidc_client_id: what it calls the service; ``None`` if there is none.
        oidc_client_secret: what the service shows it to be that; ``None`` if it has given the service none.
        oidc_grants: what groups allow, each as ``group=grant``.
        oidc_groups_claim: the claim in which it names somebody's groups.
        oidc_scopes: what it is asked to tell of people.
        has_webhooks: whether webhooks are told of changes.
        webhook_networks: addresses and networks that webhooks may be in, though not all of the internet reaches them.
    """

    database: str
    context_features: tuple[str, ...] | None = None
    doc_only: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    is_default_database: bool = False
    max_cache_bytes: int = MAX_CACHE_BYTES
    max_connections: int = MAX_CONNECTIONS
    max_settings: int = MAX_SETTINGS
    max_rules: int = MAX_RULES
    workers: int = 1
    log_format: LogFormat = "text"
    has_access_log: bool = False
    first_version: FirstVersion = "1.0"
    max_value_bytes: int = MAX_VALUE_BYTES
    keep_history_days: int | None = None
    usage: Usage = "on"
    protect_used_days: int | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    has_access: bool = False
    proxy_user_header: str | None = None
    has_metrics_access: bool = False
    is_insecure: bool = False
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_grants: tuple[str, ...] = ()
    oidc_groups_claim: str = "groups"
    oidc_scopes: tuple[str, ...] = ("openid", "profile", "email")
    has_webhooks: bool = True
    webhook_networks: tuple[str, ...] = ()
