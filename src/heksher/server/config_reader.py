"""Reads the configuration: command-line options override environment variables, which override defaults."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from heksher.server.config import Config
from heksher.server.errors import StartupError
from heksher.server.option_kind import OptionValue
from heksher.server.options import DATABASE, HOST, OPTIONS, PORT, Option

# The value of each command-line option by its name; None if it was not given.
Given = Mapping[str, OptionValue | None]

# That say something else, or that proxies and clients add.
_MEANINGFUL_HEADERS: Final = frozenset(
    {
        "accept", "accept-encoding", "api_token", "authorization", "connection", "content-length", "content-type",
        "cookie", "forwarded", "heksher-actor", "heksher-min-revision", "heksher-reason", "host", "hx-request",
        "if-match", "if-none-match", "last-event-id", "origin", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site",
        "transfer-encoding",
        "user-agent", "via", "x-api-key", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
        "x-forwarded-proto", "x-real-ip", "x-request-id",
    }
)  # fmt: skip
_NOTHING: Final[Given] = MappingProxyType({})


def load_config(environment: Mapping[str, str], given: Given = _NOTHING) -> Config:
    """Return the configuration of a service.

    Args:
        environment: the environment variables; an empty one counts as missing, except the database's.
        given: the command-line options by name.

    Raises:
        StartupError: a value is invalid; the message names its source.
    """
    values = dict(_read_options(OPTIONS, environment, given))
    if DATABASE.name not in values:
        values |= {DATABASE.name: str(find_default_database(environment)), "is_default_database": True}
    config = Config(**values)  # type: ignore[arg-type]  # each option gives what its attribute takes: there is a test
    _check_sharing(config)
    _check_protection(config)
    _check_proxies(config)
    _check_provider(config)
    return config


def load_address(environment: Mapping[str, str], given: Given = _NOTHING) -> tuple[str, int]:
    """Return host and port that a service with this environment and these options listens on.

    Raises:
        StartupError: a value is invalid; the message names its source.
    """
    config = Config("", **dict(_read_options((HOST, PORT), environment, given)))  # type: ignore[arg-type]  # see above
    return config.host, config.port


def _read_options(
    options: Iterable[Option], environment: Mapping[str, str], given: Given
) -> Iterable[tuple[str, OptionValue]]:
    for option in options:
        value = _read_option(option, environment, given.get(option.name))
        if value is not None:
            yield option.name, value


def _read_option(option: Option, environment: Mapping[str, str], given: OptionValue | None) -> OptionValue | None:
    if given is not None:
        return option.kind.read_argument(option.flag or "", given) if isinstance(given, str) else given
    if option.variable is None or (text := environment.get(option.variable)) is None:
        return None
    if _is_service_link(option, text):
        return None
    if not text and option.may_be_empty:
        return None
    return option.kind.read(option.variable, text)


def _is_service_link(option: Option, text: str) -> bool:
    # Beside a service named heksher, Kubernetes gives each container HEKSHER_PORT=tcp://10.96.0.7:8000, unless
    # enableServiceLinks is false: another address of this very service, which nobody has chosen.
    return option is PORT and text.startswith("tcp://")


def find_default_database(environment: Mapping[str, str]) -> Path:
    """Return the path of the SQLite file that is used if no database is configured.

    Raises:
        StartupError: no directory for it can be found.

    Source: XDG Base Directory Specification 0.8 (a relative path in its variable is to be ignored).
    """
    configured = Path(environment.get("XDG_DATA_HOME", ""))
    try:
        base = configured if configured.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise StartupError(
            f"there is no home directory to keep the database in: say where with {DATABASE.flag} or {DATABASE.variable}"
        ) from None
    return base / "heksher" / "heksher.db"


def _check_sharing(config: Config) -> None:
    if config.workers > 1 and config.database == "memory:" and not config.doc_only:
        raise StartupError(
            f"{config.workers} workers cannot share the database memory:, which is in one process; choose another one"
            f" with {DATABASE.flag} or {DATABASE.variable}, or one worker"
        )


def _check_protection(config: Config) -> None:
    if config.protect_used_days is not None and config.usage == "off":
        raise StartupError(
            "--protect-used-days (HEKSHER_PROTECT_USED_DAYS) needs --usage on (HEKSHER_USAGE): which settings were"
            " asked for is not known while that is not counted; leave one of the two out"
        )


def _check_proxies(config: Config) -> None:
    if config.proxy_user_header is not None and not (config.has_access and config.trusted_proxies):
        raise StartupError(
            "--proxy-user-header (HEKSHER_PROXY_USER_HEADER) needs --access, and --trusted-proxies: anybody else could"
            " send this header, too"
        )
    if config.proxy_user_header is not None and config.proxy_user_header.lower() in _MEANINGFUL_HEADERS:
        raise StartupError(
            f"--proxy-user-header (HEKSHER_PROXY_USER_HEADER): {config.proxy_user_header} has a meaning of its own, and"
            " clients may send it; have the proxy name people in another header, such as X-Forwarded-User"
        )
    everybody = [network for network in config.trusted_proxies if network.endswith("/0")]
    if config.proxy_user_header is not None and everybody:
        raise StartupError(
            f"--trusted-proxies (HEKSHER_TRUSTED_PROXIES): {everybody[0]} is everybody, who could all be anybody by"
            f" {config.proxy_user_header}; give the addresses of the proxies"
        )
    if config.has_metrics_access and not config.has_access:
        raise StartupError("--metrics-access (HEKSHER_METRICS_ACCESS) needs --access: without it nobody has a token")


def _check_provider(config: Config) -> None:
    if config.oidc_issuer is None:
        return
    needed = {
        "--access (HEKSHER_ACCESS=true)": config.has_access,
        "--public-url (HEKSHER_PUBLIC_URL), where the provider sends people back to": config.public_url,
        "--oidc-client-id (HEKSHER_OIDC_CLIENT_ID)": config.oidc_client_id,
        "--oidc-grants (HEKSHER_OIDC_GRANTS), or nobody could do anything": config.oidc_grants,
    }
    missing = [option for option, value in needed.items() if not value]
    if missing:
        raise StartupError(f"people cannot sign in through {config.oidc_issuer} without {'; without '.join(missing)}")
