"""The Origin check: which web pages may open a socket here or read a response.

A browser sends cookies and network position along with any page's request, so the page's origin is the only
thing by which our own page differs from a stranger's. Programs send no Origin: this check does not stop them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ANY = "*"
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Letters, digits, dots and hyphens, or an IPv6 address in brackets: nothing a URL parser could read twice.
_AUTHORITY = re.compile(r"(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port, as RFC 6454 compares them."""

    scheme: str
    host: str
    port: int


class BadOriginError(ValueError):
    """A text that is no origin; the message says what one looks like."""


def parse_origin(text: str) -> Origin:
    """The origin in `text`, e.g. "https://example.com:8443". Raises BadOriginError."""
    scheme, separator, authority = text.strip().lower().partition("://")
    if not separator or scheme not in _DEFAULT_PORTS:
        raise BadOriginError(f"{text!r} is no origin; a scheme and a host, e.g. https://example.com")
    host, port = _host_and_port(authority, _DEFAULT_PORTS[scheme])
    return Origin(scheme, host, port)


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise BadOriginError(f"{authority!r} is no host, or host and port")
    return found["host"], int(found["port"] or default_port)


class OriginPolicy:
    """Allows pages of the same host, and those of the listed origins; `*` allows every page.

    Raises BadOriginError if an entry of `allowed` is no origin.
    """

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        self._any = ANY in allowed
        self._listed = frozenset(parse_origin(text) for text in allowed if text != ANY)

    def allows(self, origin: str | None, host: str, *, scheme: str | None = None) -> bool:
        """May a page of `origin` come to the server it called `host`?

        `origin` and `host` are the headers, None without Origin. `scheme` is what the page must have been
        loaded by to be the same origin; None where a proxy in front may speak TLS and does not say so.
        """
        if origin is None or self._any:
            return True
        try:
            asking = parse_origin(origin)
        except BadOriginError:
            return False
        return asking in self._listed or _same_host(asking, host.lower(), scheme)

    def readable_by(self, origin: str | None) -> bool:
        """May a page of another host read our responses (CORS)? Only if it is listed."""
        if origin is None:
            return False
        try:
            return self._any or parse_origin(origin) in self._listed
        except BadOriginError:
            return False


def _same_host(asking: Origin, host: str, scheme: str | None) -> bool:
    if scheme not in (None, asking.scheme):
        return False
    try:
        return (asking.host, asking.port) == _host_and_port(host, _DEFAULT_PORTS[asking.scheme])
    except BadOriginError:
        return False
