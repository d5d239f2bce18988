"""Whose request it is, behind proxies and forgeries."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.admission.client_address import BadProxyError, ClientAddresses, client_key, parse_networks

PROXIES = ClientAddresses(parse_networks(("10.0.0.0/8", "::1", "192.0.2.7")))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),  # forged, straight to us
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),  # through the proxy
        ("10.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),  # forged left part, through the proxy
        ("10.0.0.1", ["203.0.113.9, 10.2.2.2"], "203.0.113.9"),  # two trusted hops
        ("10.0.0.1", ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),  # two headers
        ("10.0.0.1", ["203.0.113.9, not-an-address"], "10.0.0.1"),  # garbage ends the chain
        ("10.0.0.1", ["1.1.1.1, garbage, 10.3.3.3"], "10.3.3.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),  # a dual-stack socket's view of the proxy
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ['"[2001:db8::1]:4711"'], "2001:db8::1"),
        ("::1", ["fe80::1%eth0"], "fe80::1"),
    ],
)
def test_the_client_behind_proxies(peer: str, forwarded_for: list[str], client: str) -> None:
    """From the right, up to the first hop that is not ours."""
    assert PROXIES.of(peer, forwarded_for) == ip_address(client)


def test_nobody_is_trusted_by_default() -> None:
    """Without the setting the header means nothing."""
    assert ClientAddresses().of("127.0.0.1", ["1.2.3.4"]) == ip_address("127.0.0.1")
    assert not ClientAddresses().trusts("127.0.0.1")


def test_a_unix_socket_has_no_address() -> None:
    """All of its clients count as one."""
    assert client_key(PROXIES.of(None, ["1.2.3.4"])) == "local"


def test_an_ipv6_customer_has_one_key() -> None:
    """All of a /64 counts together, two of them apart."""
    keys = {client_key(ip_address(text)) for text in ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2")}
    assert keys == {"2001:db8:0:1::/64"}
    assert client_key(ip_address("2001:db8:0:2::1")) not in keys
    assert client_key(ip_address("203.0.113.9")) == "203.0.113.9"


def test_a_bad_network_is_refused_at_the_start() -> None:
    """With a sentence that says what one looks like."""
    with pytest.raises(BadProxyError, match="a network"):
        parse_networks(("localhost",))


@given(st.lists(st.text(max_size=80), max_size=4))
def test_no_header_breaks_it(forwarded_for: list[str]) -> None:
    """Whatever a proxy lets through, somebody is accountable."""
    assert PROXIES.of("10.0.0.1", forwarded_for) is not None


@given(st.lists(st.ip_addresses(), max_size=6))
def test_a_client_cannot_choose_his_address(forged: list[object]) -> None:
    """Whatever he writes to the left, the proxy's own entry decides."""
    header = ", ".join([*map(str, forged), "203.0.113.9"])
    assert PROXIES.of("10.0.0.1", [header]) == ip_address("203.0.113.9")
