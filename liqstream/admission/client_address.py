"""The address of a request's client: the peer's, or the one that trusted proxies name.

X-Forwarded-For is written from left to right and anybody may send a left part of his own, so it is read from
the right: each trusted proxy is believed about the entry before its own, and the first hop that is not
trusted is the client.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAX_HOPS = 32
"""More proxies than that are a forgery; parsing them would be work done for an attacker."""


class BadProxyError(ValueError):
    """A text that is no address and no network."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks, e.g. "127.0.0.1" and "10.0.0.0/8". Raises BadProxyError."""
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as error:
        raise BadProxyError(f"{error}; an address or a network, e.g. 10.0.0.0/8") from None


def plain(address: Address) -> Address:
    """An IPv4 address mapped into IPv6 (::ffff:1.2.3.4) as IPv4; any other as it is."""
    return getattr(address, "ipv4_mapped", None) or address


class ClientAddresses:
    """Tells clients apart by address, trusting X-Forwarded-For only from the `trusted` networks."""

    def __init__(self, trusted: tuple[Network, ...] = ()) -> None:
        self._trusted = trusted

    def trusts(self, peer: str | None) -> bool:
        """Is the peer of the connection one of our proxies?"""
        address = _parse(peer or "")
        return address is not None and self._is_trusted(address)

    def of(self, peer: str | None, forwarded_for: Iterable[str] = ()) -> Address | None:
        """The client's address; None for a peer without one (a Unix socket).

        `peer` is the address at the other end of the connection, `forwarded_for` the X-Forwarded-For
        headers in order. A header that cannot be read counts up to its unreadable part: the last hop that
        could be read is the client.
        """
        client = _parse(peer or "")
        if client is None or not self._is_trusted(client):
            return client
        for hop in _from_the_right(forwarded_for):
            address = _parse(hop)
            if address is None:
                break
            client = address
            if not self._is_trusted(client):
                break
        return client

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted if network.version == address.version)


def _from_the_right(forwarded_for: Iterable[str]) -> list[str]:
    hops = ",".join(forwarded_for).rsplit(",", _MAX_HOPS)[-_MAX_HOPS:]
    return [hop for hop in reversed(hops) if hop.strip()]


def _parse(text: str) -> Address | None:
    """An address as proxies write it: bare, with a port, or in brackets; without the zone of a link."""
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return plain(ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def client_key(address: Address | None) -> str:
    """What limits are counted by: an IPv4 address, or the /64 of an IPv6 one (one customer has all of it)."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return "local" if address is None else str(address)
