"""The kinds of options about a provider of identities."""

import pytest

from heksher.server.errors import StartupError
from heksher.server.oidc_kind import GroupGrants, Issuer, Scopes, Secret, is_provider_url
from heksher.server.option_kind import OptionKind


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Issuer(), "https://login.example.com", "https://login.example.com"),
        # As it is: a slash at the end is part of it.
        (Issuer(), "https://login.example.com/realms/a/", "https://login.example.com/realms/a/"),
        (Issuer(), "http://localhost:8080/realm", "http://localhost:8080/realm"),
        (Issuer(), "http://[::1]:8080", "http://[::1]:8080"),
        (Secret("TEXT"), "s3cret+/= x", "s3cret+/= x"),
        (GroupGrants(), "support=edit:frontend.;platform=admin", ("support=edit:frontend.", "platform=admin")),
        (GroupGrants(), " support = read ;\n cn=a,ou=b=read ; ", ("support=read", "cn=a,ou=b=read")),
        (Scopes(), "openid,profile", ("openid", "profile")),
        (Scopes(), "openid  email, openid", ("openid", "email")),
    ],
)
def test_a_value_is_read(kind: OptionKind, text: str, value: object):
    """In the one form that is worked with."""
    assert value == kind.read("SOURCE", text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Issuer(), "login.example.com"),
        (Issuer(), "http://login.example.com"),
        (Issuer(), "ftp://login.example.com"),
        (Issuer(), "https://"),
        (Issuer(), "https://["),
        (Issuer(), "https://login.example.com/?a=hush"),
        (Issuer(), "https://login.example.com/#hush"),
        (Issuer(), "https://user:hush@login.example.com"),
        (Issuer(), ""),
        (Secret("TEXT"), ""),
        (Secret("TEXT"), "hush\n"),
        (Secret("TEXT"), " hush"),
        (Secret("TEXT"), "hushé"),
        (GroupGrants(), "support"),
        (GroupGrants(), "support=write"),
        (GroupGrants(), "a=read;=read"),
        (Scopes(), ""),
        (Scopes(), "profile"),
        (Scopes(), 'openid,a"b'),
    ],
)
def test_what_is_none_is_refused(kind: OptionKind, text: str):
    """The message names the source, and nothing that may be a secret."""
    with pytest.raises(StartupError, match=r"^SOURCE: ") as caught:
        kind.read("SOURCE", text)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://login.example.com/token", True),
        ("http://127.0.0.1:5000/token", True),
        ("http://10.0.0.5/token", False),
        ("https://login.example.com/\n", False),
        ("https://löwe.example.com/", False),
        ("//login.example.com/", False),
        ("file:///etc/passwd", False),
    ],
)
def test_secrets_are_sent_over_tls_or_to_the_machine_itself(url: str, is_one: bool):
    """Nowhere else."""
    assert is_one == is_provider_url(url)
