"""Where push messages may go: to https addresses of push services, and to no private address behind them.

An endpoint comes from a stranger's browser; without these checks it could name anything this server reaches.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from liqstream.alerts.push_device import BadEndpointError

KNOWN_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
"""The push services of Chrome and Edge on Android, Firefox, Safari, Edge on Windows. `*` is one label."""
MAX_ENDPOINT_CHARS = 1024
HTTPS_PORT = 443
# Stricter than any parser: what this takes is read alike by all of them.
_ENDPOINT = re.compile(
    r"https://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([1-9][0-9]{0,4}))?(/[!$-;=?-Z_a-z~]*)"
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""What stands for an IPv4 address, in its last 32 bits (RFC 6052)."""
_HOST = re.compile(r"((?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([1-9][0-9]{0,4}))?")


class BadPushHostError(Exception):
    """An entry of the list of hosts that is none."""


class Endpoint(NamedTuple):
    """Where to post: the address, its origin as a token names it, the entry of the list that allows it."""

    url: URL
    origin: str
    service: str


class PushHosts:
    """The hosts that endpoints may name: the known ones, and `added` ones as "host" or "host:port"."""

    def __init__(self, added: Collection[str] = ()) -> None:
        self._allowed = {(host, HTTPS_PORT) for host in KNOWN_HOSTS}
        self._added = {_host_and_port(text) for text in added}

    @property
    def names(self) -> tuple[str, ...]:
        """Every host of the list, without its port."""
        return tuple(sorted({host for host, _ in self._allowed | self._added}))

    def check(self, endpoint: str) -> Endpoint:
        """What a browser named, taken apart. Raises BadEndpointError."""
        if len(endpoint) > MAX_ENDPOINT_CHARS:
            raise BadEndpointError(f"the endpoint is longer than {MAX_ENDPOINT_CHARS} characters")
        found = _ENDPOINT.fullmatch(endpoint)
        if found is None:
            raise BadEndpointError("the endpoint must be an https address of a push service, without user")
        host, port = found[1], int(found[2] or HTTPS_PORT)
        allowed = (f"{name}:{at}" for name, at in self._allowed | self._added if _is(host, port, (name, at)))
        service = next(allowed, None)
        if service is None:
            raise BadEndpointError(
                f"the endpoint's host {host} is no known push service; LIQSTREAM_PUSH_HOSTS adds hosts"
            )
        return Endpoint(
            URL(endpoint, encoded=True), endpoint[: found.end(2) if found[2] else found.end(1)], service
        )

    def may_be_private(self, host: str, port: int) -> bool:
        """Whether the operator named this host, so that it may be anywhere."""
        return any(_is(host, port, entry) for entry in self._added)


class PublicResolver(AbstractResolver):
    """Resolves names to addresses of the internet only; a host in `hosts.may_be_private` to any.

    The connection goes to the very addresses that were looked at, so a name that changes its mind between
    check and use gains nothing. `trusted` are further hosts that may be anywhere: the operator's own proxy.
    """

    def __init__(
        self, hosts: PushHosts, trusted: Collection[str] = (), inner: AbstractResolver | None = None
    ) -> None:
        self._hosts = hosts
        self._trusted = frozenset(trusted)
        self._inner = inner or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError where none of them is public."""
        found = await self._inner.resolve(host, port, family)
        if host in self._trusted or self._hosts.may_be_private(host, port):
            return found
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise OSError(f"{host} has no public address")
        return public

    async def close(self) -> None:
        """Release what the resolver holds."""
        await self._inner.close()


def is_public(text: str) -> bool:
    """Whether an IP address is one of the internet: neither private, local, reserved nor multicast."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        # Each of them leads to an IPv4 address, which is the one that counts.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
        if address in _NAT64:
            return is_public(str(ip_address(int(address) & 0xFFFF_FFFF)))
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _is(host: str, port: int, entry: tuple[str, int]) -> bool:
    name, its_port = entry
    if port != its_port:
        return False
    if name.startswith("*."):
        label, dot, rest = host.partition(".")
        return bool(label and dot) and rest == name[2:]
    return host == name


def _host_and_port(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or int(found[2] or HTTPS_PORT) > 65535:
        raise BadPushHostError(f"{text!r} is no host, e.g. push.example.com or *.push.example.com:8443")
    return found[1], int(found[2] or HTTPS_PORT)
