"""Which offer of permessage-deflate a server accepts, and its answer (RFC 7692, RFC 6455 9.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = "permessage-deflate"

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'\s*;\s*({_WORD})\s*(?:=\s*({_WORD}|"(?:[^"\\]|\\.)*"))?\s*')
_EXTENSION = re.compile(rf"[\s,]*({_WORD})\s*")
_WINDOW_BITS = re.compile("8|9|1[0-5]")

_NARROWEST = 9
"""zlib makes no raw deflate stream within a window of 8 bits."""


class AcceptedDeflate(NamedTuple):
    """What was agreed: the window of what the server sends, whether each message begins anew, the answer."""

    window_bits: int
    no_context_takeover: bool
    answer: str


def accept_deflate(header: str) -> AcceptedDeflate | None:
    """The first offer in a Sec-WebSocket-Extensions header that can be accepted; None for no compression.

    An offer with a parameter that is unknown, stands twice or has a value it may not have is declined, and
    so is one that wants a window of 8 bits. A header that is no list of extensions holds none.
    """
    for name, parameters in _extensions(header):
        if name == NAME:
            accepted = _accept(parameters)
            if accepted is not None:
                return accepted
    return None


def _accept(parameters: list[tuple[str, str | None]]) -> AcceptedDeflate | None:
    found = dict(parameters)
    if len(found) != len(parameters) or not all(_is_legal(name, value) for name, value in parameters):
        return None
    answer = [NAME]
    takeover_off = "server_no_context_takeover" in found
    if takeover_off:
        answer.append("server_no_context_takeover")
    bits = found.get("server_max_window_bits")
    if bits is not None:
        if int(bits) < _NARROWEST:
            return None
        # Also 15, which changes nothing: an accepted parameter must come back (RFC 7692 7.1.2.1).
        answer.append(f"server_max_window_bits={bits}")
    return AcceptedDeflate(15 if bits is None else int(bits), takeover_off, "; ".join(answer))


def _is_legal(name: str, value: str | None) -> bool:
    match name:
        case "server_no_context_takeover" | "client_no_context_takeover":
            return value is None
        case "client_max_window_bits":
            return value is None or _WINDOW_BITS.fullmatch(value) is not None
        case "server_max_window_bits":
            return value is not None and _WINDOW_BITS.fullmatch(value) is not None
    return False


def _extensions(header: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Each extension with its parameters, values unquoted; none where the header is malformed."""
    found: list[tuple[str, list[tuple[str, str | None]]]] = []
    at = 0
    while at < len(header):
        extension = _EXTENSION.match(header, at)
        if extension is None:
            return found if not header[at:].strip(" \t,") else []
        at, parameters = extension.end(), list[tuple[str, str | None]]()
        while (parameter := _PARAMETER.match(header, at)) is not None:
            value = parameter[2]
            if value is not None and value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            parameters.append((parameter[1], value))
            at = parameter.end()
        if at < len(header) and header[at] != ",":
            return []
        found.append((extension[1], parameters))
    return found
