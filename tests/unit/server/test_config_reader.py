"""How a service is configured."""

import re
from pathlib import Path

import pytest

from heksher.server.config import Config
from heksher.server.config_reader import find_default_database, load_config
from heksher.server.errors import StartupError
from heksher.server.options import OPTIONS, Option

HOME = {"XDG_DATA_HOME": "/data"}


def test_everything_has_a_default():
    """An SQLite file in the user's data directory, the stored context features, 4 MiB of body, one worker."""
    assert Config(
        database="/data/heksher/heksher.db",
        context_features=None,
        doc_only=False,
        max_body_bytes=4_194_304,
        is_default_database=True,
        max_cache_bytes=134_217_728,
        max_settings=100_000,
        max_rules=5_000_000,
        workers=1,
        log_format="text",
        has_access_log=False,
        host="127.0.0.1",
        port=8000,
        public_url=None,
        allowed_hosts=(),
        cors_origins=(),
        trusted_proxies=(),
    ) == load_config(HOME)


def test_the_variables_of_the_existing_service_work():
    """Features are separated by semicolons."""
    environment = {
        "HEKSHER_DB_CONNECTION_STRING": "postgresql://u:p@host:5432/db",
        "HEKSHER_STARTUP_CONTEXT_FEATURES": "user;trust;theme",
        "DOC_ONLY": "true",
        "HEKSHER_MAX_BODY_BYTES": "1000",
    }
    assert Config("postgresql://u:p@host:5432/db", ("user", "trust", "theme"), True, 1000) == load_config(environment)


def test_the_variables_of_this_service_work():
    """Those about running it."""
    environment = {
        "HEKSHER_HOST": "0.0.0.0",
        "HEKSHER_PORT": "80",
        "HEKSHER_CACHE_BYTES": "0",
        "HEKSHER_WORKERS": "4",
        "HEKSHER_LOG_FORMAT": "json",
        "HEKSHER_ACCESS_LOG": "true",
        "HEKSHER_MAX_VALUE_BYTES": "1000",
        "HEKSHER_KEEP_HISTORY_DAYS": "90",
    }
    config = load_config(HOME | environment)
    assert (1000, 90) == (config.max_value_bytes, config.keep_history_days)
    assert ("0.0.0.0", 80) == (config.host, config.port)
    assert (0, 4, "json", True) == (config.max_cache_bytes, config.workers, config.log_format, config.has_access_log)


def test_hosts_origins_and_proxies_are_lists():
    """Separated by commas, in variables as on the command line."""
    environment = {
        "HEKSHER_PUBLIC_URL": "https://heksher.example.com",
        "HEKSHER_ALLOWED_HOSTS": "a,b",
        "HEKSHER_CORS_ORIGINS": "https://a.example,https://b.example",
        "HEKSHER_TRUSTED_PROXIES": "10.0.0.1, 10.1.0.0/16",
    }
    config = load_config(HOME | environment, {"allowed_hosts": "c,d"})
    assert ("https://heksher.example.com", ("c", "d"), ("https://a.example", "https://b.example")) == (
        config.public_url,
        config.allowed_hosts,
        config.cors_origins,
    )
    assert ("10.0.0.1/32", "10.1.0.0/16") == config.trusted_proxies


def test_options_win_over_variables():
    """Features are separated by commas."""
    environment = {
        "HEKSHER_HOST": "::1",
        "HEKSHER_PORT": "80",
        "HEKSHER_DB_CONNECTION_STRING": "a.db",
        "HEKSHER_STARTUP_CONTEXT_FEATURES": "a;b",
        "HEKSHER_WORKERS": "4",
        "HEKSHER_LOG_FORMAT": "json",
        "HEKSHER_ACCESS_LOG": "true",
    }
    given = {"database": "b.db", "context_features": "c,d", "workers": 1, "log_format": "text", "has_access_log": False}
    assert Config("b.db", ("c", "d"), host="::", port=0) == load_config(environment, given | {"host": "::", "port": 0})


def test_options_that_were_not_given_leave_it_to_the_variables():
    """As the command line passes them."""
    environment = {"HEKSHER_DB_CONNECTION_STRING": "a.db", "HEKSHER_WORKERS": "4"}
    given = {"database": None, "workers": None, "host": None, "port": 0}
    assert Config("a.db", workers=4, port=0) == load_config(environment, given)


def test_empty_variables_are_no_variables():
    """As a deployment template leaves them."""
    empty = dict.fromkeys(
        (
            "HEKSHER_HOST",
            "HEKSHER_PORT",
            "HEKSHER_STARTUP_CONTEXT_FEATURES",
            "DOC_ONLY",
            "HEKSHER_MAX_BODY_BYTES",
            "HEKSHER_CACHE_BYTES",
            "HEKSHER_WORKERS",
            "HEKSHER_LOG_FORMAT",
            "HEKSHER_ACCESS_LOG",
            "HEKSHER_MAX_VALUE_BYTES",
            "HEKSHER_KEEP_HISTORY_DAYS",
        ),
        "",
    )
    assert load_config(HOME) == load_config(HOME | empty)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_database_is_an_error(text: str):
    """A secret that was not filled in: the default would be an empty database of which nobody knows."""
    with pytest.raises(StartupError, match=r"HEKSHER_DB_CONNECTION_STRING: .* is empty; leave it out"):
        load_config(HOME | {"HEKSHER_DB_CONNECTION_STRING": text})
    with pytest.raises(StartupError, match=r"--db: '.*' is empty"):
        load_config(HOME, {"database": text})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("true", True), ("True", True), ("1", True), ("yes", True), ("false", False), ("FALSE", False), ("0", False)],
)
def test_a_truth_has_some_spellings(text: str, expected: bool):
    """Those that are in use."""
    assert expected == load_config(HOME | {"DOC_ONLY": text}).doc_only


@pytest.mark.trap(38)
@pytest.mark.trap(41)
@pytest.mark.parametrize("features", ["a b", "a;a", "a;", ";a", "a;;b", "a; b", "a,b", "é", "a\n", "a-b", "a" * 256])
def test_bad_context_features_are_refused(features: str):
    """Malformed or repeated: the message names the variable."""
    with pytest.raises(StartupError, match="HEKSHER_STARTUP_CONTEXT_FEATURES"):
        load_config(HOME | {"HEKSHER_STARTUP_CONTEXT_FEATURES": features})


@pytest.mark.parametrize("features", ["", "a;b", "a, b", "a,a"])
def test_bad_context_features_of_an_option_are_refused(features: str):
    """The message names the option."""
    with pytest.raises(StartupError, match="--context-features"):
        load_config(HOME, {"context_features": features})


def test_too_many_context_features_are_refused():
    """The message names the limit."""
    with pytest.raises(StartupError, match="at most 256"):
        load_config(HOME, {"context_features": ",".join(f"f{number}" for number in range(257))})


@pytest.mark.parametrize(
    ("name", "text"),
    [("DOC_ONLY", "maybe"), ("HEKSHER_MAX_BODY_BYTES", "4MB"), ("HEKSHER_MAX_BODY_BYTES", "-1"),
     ("HEKSHER_MAX_BODY_BYTES", "0"), ("HEKSHER_MAX_BODY_BYTES", "999"), ("HEKSHER_MAX_BODY_BYTES", "1073741825"),
     ("HEKSHER_CACHE_BYTES", "128"), ("HEKSHER_CACHE_BYTES", "1048575"), ("HEKSHER_CACHE_BYTES", "999999999999999"),
     ("HEKSHER_MAX_SETTINGS", "0"), ("HEKSHER_MAX_SETTINGS", "10000001"), ("HEKSHER_MAX_RULES", "0"),
     ("HEKSHER_MAX_RULES", "1000000001"), ("HEKSHER_MAX_RULES", "many"),
     ("HEKSHER_DB_CONNECTION_STRING", " "),
     ("HEKSHER_MAX_BODY_BYTES", "9" * 16), ("HEKSHER_MAX_BODY_BYTES", "\u0661"), ("HEKSHER_CACHE_BYTES", "1e6"),
     ("HEKSHER_WORKERS", "0"), ("HEKSHER_WORKERS", "257"), ("HEKSHER_WORKERS", "auto"), ("HEKSHER_LOG_FORMAT", "JSON"),
     ("HEKSHER_ACCESS_LOG", "maybe"), ("HEKSHER_MAX_VALUE_BYTES", "0"), ("HEKSHER_MAX_VALUE_BYTES", "1MB"),
     ("HEKSHER_KEEP_HISTORY_DAYS", "0"), ("HEKSHER_KEEP_HISTORY_DAYS", "-1"),
     ("HEKSHER_HOST", " "), ("HEKSHER_PORT", "http"), ("HEKSHER_PORT", "65536")],
)  # fmt: skip
def test_variables_that_make_no_sense_are_refused(name: str, text: str):
    """The message names the variable."""
    with pytest.raises(StartupError, match=name):
        load_config(HOME | {name: text})


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.flag is not None], ids=lambda o: o.name)
def test_an_empty_option_is_refused(option: Option):
    """As a shell's variable that nobody has set leaves it: the message names the option, whatever the variable says."""
    environment = {} if option.variable is None else {option.variable: "1"}
    with pytest.raises(StartupError, match=f"^{option.flag}: "):
        load_config(HOME | environment, {option.name: ""})


def test_several_workers_cannot_share_a_memory():
    """The message says what to do; without a database, as many as one likes can show the documentation."""
    with pytest.raises(StartupError, match=r"3 workers .*memory:.*--db"):
        load_config(HOME, {"database": "memory:", "workers": 3})
    assert 3 == load_config({"DOC_ONLY": "true"}, {"database": "memory:", "workers": 3}).workers
    assert 1 == load_config(HOME, {"database": "memory:", "workers": 1}).workers


def test_what_is_not_counted_protects_nothing():
    """A service that counts no uses does not know which settings are used."""
    with pytest.raises(StartupError, match=r"--protect-used-days \(.*\) needs --usage on"):
        load_config({**HOME, "HEKSHER_USAGE": "off", "HEKSHER_PROTECT_USED_DAYS": "30"})
    assert 30 == load_config(HOME, {"protect_used_days": 30}).protect_used_days


def test_what_kubernetes_says_of_a_service_is_no_port():
    """Beside a service named heksher, it puts such an address into that variable of each container."""
    environment = {"HEKSHER_PORT": "tcp://10.96.0.7:8000", "HEKSHER_PORT_8000_TCP_PORT": "8000"}
    assert 8000 == load_config(HOME | environment).port
    assert 80 == load_config(HOME | environment, {"port": 80}).port


def test_the_default_file_is_in_the_users_data_directory(monkeypatch: pytest.MonkeyPatch):
    """As the XDG specification has it: a relative directory is ignored."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert [Path("/data/heksher/heksher.db")] + [Path("/home/ada/.local/share/heksher/heksher.db")] * 3 == [
        find_default_database(environment)
        for environment in (HOME, {}, {"XDG_DATA_HOME": ""}, {"XDG_DATA_HOME": "relative"})
    ]


def test_without_a_home_the_database_must_be_named(monkeypatch: pytest.MonkeyPatch):
    """The message says how; with a database no home is needed."""

    def fail() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(StartupError, match="--db"):
        load_config({})
    assert "a.db" == load_config({}, {"database": "a.db"}).database


PROVIDER = {
    "HEKSHER_ACCESS": "true",
    "HEKSHER_PUBLIC_URL": "https://heksher.example.com",
    "HEKSHER_OIDC_ISSUER": "https://login.example.com/realm",
    "HEKSHER_OIDC_CLIENT_ID": "heksher",
    "HEKSHER_OIDC_CLIENT_SECRET": "hush",
    "HEKSHER_OIDC_GRANTS": "support=edit:frontend.;platform=admin",
}


def test_a_provider_of_identities_can_be_configured():
    """The secret in the environment alone, and it is not shown with the others."""
    config = load_config(HOME | PROVIDER)
    assert ("https://login.example.com/realm", "heksher") == (config.oidc_issuer, config.oidc_client_id)
    assert ("hush", "groups") == (config.oidc_client_secret, config.oidc_groups_claim)
    assert ("support=edit:frontend.", "platform=admin") == config.oidc_grants
    assert ("openid", "profile", "email") == config.oidc_scopes
    assert "hush" not in repr(config)


@pytest.mark.parametrize("missing", ["ACCESS", "PUBLIC_URL", "OIDC_CLIENT_ID", "OIDC_GRANTS"])
def test_a_provider_needs_more_than_its_name(missing: str):
    """The message says what; without a secret, the service is a public client."""
    with pytest.raises(StartupError, match=f"HEKSHER_{missing}"):
        load_config(HOME | PROVIDER | {f"HEKSHER_{missing}": ""})
    assert load_config(HOME | PROVIDER | {"HEKSHER_OIDC_CLIENT_SECRET": ""}).oidc_client_secret is None


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({"HEKSHER_PROXY_USER_HEADER": "X-User"}, "needs --access, and --trusted-proxies"),
        ({"HEKSHER_PROXY_USER_HEADER": "X-User", "HEKSHER_ACCESS": "true"}, "needs --access, and --trusted-proxies"),
        ({"HEKSHER_PROXY_USER_HEADER": "authorization", "HEKSHER_TRUSTED_PROXIES": "10.0.0.5"}, "a meaning of its own"),
        ({"HEKSHER_PROXY_USER_HEADER": "X-User", "HEKSHER_TRUSTED_PROXIES": "0.0.0.0/0"}, "0.0.0.0/0 is everybody"),
        ({"HEKSHER_PROXY_USER_HEADER": "X-User", "HEKSHER_TRUSTED_PROXIES": "10.0.0.5,::/0"}, "::/0 is everybody"),
        ({"HEKSHER_METRICS_ACCESS": "true"}, "needs --access"),
    ],
)
def test_options_of_access_that_would_protect_nothing(environment: dict[str, str], fault: str):
    """Are refused, each with what to do."""
    if "HEKSHER_TRUSTED_PROXIES" in environment:
        environment = {**environment, "HEKSHER_ACCESS": "true"}
    with pytest.raises(StartupError, match=re.escape(fault)):
        load_config({"HEKSHER_DB_CONNECTION_STRING": "memory:", **environment})
