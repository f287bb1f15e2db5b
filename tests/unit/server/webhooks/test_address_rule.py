"""Tests of the rule of which addresses may be connected to."""

import pytest

from heksher.server.webhooks.address_rule import AddressRule

NOT_PUBLIC = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fc00::1",
    "fe80::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:a00:1::",
    "2001:0:a00:1::",
    "::7f00:1",
    "::10.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:0:a00:1",
    "64:ff9b:1::a00:1",
    "fec0::1",
    "febf::1",
    "100::1",
    "4000::1",
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_not_everybody_can_reach_is_forbidden(address: str):
    """Also in the forms of IPv6 that lead to such an address of IPv4, and what clouds tell of a machine."""
    fault = AddressRule().find_fault(address, is_encrypted=True)
    assert f"{address} is not public, and --webhook-networks does not allow it" == fault


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "64:ff9b::1.1.1.1"])
def test_what_everybody_can_reach_is_allowed(address: str):
    """If what is sent to it is encrypted."""
    rule = AddressRule(["10.0.0.0/8"])
    assert rule.find_fault(address, is_encrypted=True) is None
    fault = rule.find_fault(address, is_encrypted=False)
    assert f"{address} is public, so the URL has to begin with https" == fault


@pytest.mark.parametrize("address", ["fe80::1%eth0", "localhost", ""])
def test_what_is_no_address_is_forbidden(address: str):
    """An address with a zone is one of a single network."""
    rule = AddressRule(["::/0", "0.0.0.0/0"])
    assert rule.find_fault(address, is_encrypted=True) == f"{address} is no address that can be reached from here"


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_the_operator_can_allow_networks(is_encrypted: bool):
    """In either form of their addresses, and also for what is not encrypted."""
    rule = AddressRule(["10.0.0.0/8", "fd00::/8", "192.168.1.7"])
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "192.168.1.7"):
        assert rule.find_fault(address, is_encrypted=is_encrypted) is None
    for address in ("172.16.0.1", "fc00::1", "192.168.1.8", "127.0.0.1", "::1"):
        assert rule.find_fault(address, is_encrypted=is_encrypted) is not None
