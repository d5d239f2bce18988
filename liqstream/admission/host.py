"""The Host check: which names this server may be called by.

A page of a stranger can point its own name at this server's address (DNS rebinding): the browser then takes
both for one origin, and only the name in the Host header tells them apart. Addresses, names without a dot
and names under which no stranger can register are let in; any other must be listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address

ANY = "*"
LOCAL_SUFFIXES = ("localhost", "local", "internal", "svc", "lan", "home.arpa")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,62})"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PATTERN = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
# An address of one link only names the interface (RFC 6874).
_AUTHORITY = re.compile(r"(?P<host>[^:\[\]]+|\[[0-9a-f:.]+(?:%[a-z0-9._~%-]+)?\])(?::[0-9]{0,5})?")


class BadHostError(ValueError):
    """A text that is no host name; the message says what one looks like."""


def host_of(header: str) -> str | None:
    """The name or address in a Host header, in lower case, without port and brackets; None if it is none."""
    found = _AUTHORITY.fullmatch(header.strip().lower())
    if found is None:
        return None
    host = found["host"].strip("[]")
    return host.removesuffix(".") if _NAME.fullmatch(host) or _is_address(host) else None


class HostPolicy:
    """Lets in local names, those of `listed` and those of the server's own certificate.

    A name may begin with "*." for any one label; "*" alone is every name. Raises BadHostError for an entry
    that is no name.
    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = tuple(text.strip().lower() for text in listed)
        self.certificate_names: tuple[str, ...] = ()
        for text in self._listed:
            if text != ANY and not _PATTERN.fullmatch(text) and not _is_address(text.strip("[]")):
                raise BadHostError(
                    f"{text!r} is no host; a name without scheme and port, e.g. liq.example.com"
                )

    @property
    def is_set(self) -> bool:
        """Are the names listed by which the server is called?"""
        return bool(self._listed)

    def allows(self, header: str) -> bool:
        """May the server be called what the Host header says?"""
        host = host_of(header)
        if host is None:
            return False
        if ANY in self._listed or _is_address(host) or "." not in host:
            return True
        if any(host.endswith(f".{suffix}") for suffix in LOCAL_SUFFIXES):
            return True
        return any(_matches(host, name) for name in (*self._listed, *self.certificate_names))


def _matches(host: str, name: str) -> bool:
    if name.startswith("*."):
        label, _, rest = host.partition(".")
        return bool(label) and rest == name[2:].lower()
    return host == name.lower()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
