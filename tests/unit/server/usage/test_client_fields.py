"""Who a client says it is."""

import pytest

from heksher.server.usage.client_fields import UNKNOWN_CLIENT, ClientIdentity, identify, read_client_fields

OURS = b"checkout/2.3 heksher/1.0.0"


@pytest.mark.parametrize(
    ("agent", "client", "identity", "words"),
    [
        (OURS, b"name=checkout; instance=web-1", ("checkout", "2.3", "web-1"), "checkout/2.3 (web-1)"),
        (OURS, b"", ("checkout", "2.3", None), "checkout/2.3"),
        (OURS, b"instance=web-1:7", ("checkout", "2.3", "web-1:7"), "checkout/2.3 (web-1:7)"),
        (OURS, b"name=heksher", ("heksher", "1.0.0", None), "heksher/1.0.0"),
        (OURS, b"name=other ;instance = x", ("other", None, "x"), "other (x)"),
        (b"python-httpx/0.23", b"", ("python-httpx", "0.23", None), "python-httpx/0.23"),
        (b"curl", b"", ("curl", None, None), "curl"),
        (b"Mozilla/5.0 (X11; Linux x86_64) Gecko/2010 (a)", b"", ("Mozilla", "5.0", None), "Mozilla/5.0"),
        (b"(only/1 a comment)", b"", ("", None, None), "a client without a name"),
        (b"", b"instance=x", ("", None, "x"), "a client without a name (x)"),
        (b"", b"", ("", None, None), "a client without a name"),
    ],
)
def test_identity(agent: bytes, client: bytes, identity: tuple, words: str):
    """By the first product, unless the client names its program; the version is that of the product of this name."""
    found = identify((agent, client))
    assert ClientIdentity(*identity, agent.decode()) == found
    assert words == found.describe()


@pytest.mark.parametrize(
    "client",
    [b"name", b"name=", b"name=a b", b"name=<b>", b"x=y", b";;", b"name=\xff", b"instance=a,instance=b", b"= ="],
)
def test_what_cannot_be_read_is_passed_over(client: bytes):
    """It says nothing of who it is; no client is refused for it."""
    assert ("curl", "8", None) == identify((b"curl/8", client))[:3]


def test_fields_that_were_not_sent_are_empty():
    """As of a client that says nothing."""
    assert UNKNOWN_CLIENT == read_client_fields({b"accept": b"*/*"})
    fields = {b"user-agent": OURS, b"heksher-client": b"name=checkout"}
    assert (OURS, b"name=checkout") == read_client_fields(fields)


def test_long_fields_are_cut():
    """Whoever sends them takes no more memory than others."""
    fields = {b"user-agent": b"a" * 10_000, b"heksher-client": b"name=" + b"b" * 10_000}
    agent, client = read_client_fields(fields)
    assert (300, 300) == (len(agent), len(client))
    assert 300 == len(identify((agent, client)).user_agent)
