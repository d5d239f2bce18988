"""Which content coding a client accepts best (RFC 9110, 12.5.3), and bodies written in it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence

IDENTITY = "identity"
CODINGS = ("gzip", "deflate")
"""Those any body can be written in as it is made, best first."""

_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_LEVEL = 4
"""A quarter of the time of level 6 for a twentieth more bytes, on histories and on their JSON."""

_MAX_HEADER_CHARS = 1000
_WEIGHT = re.compile(r"[qQ][ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def accepted_coding(accept_encoding: str | None, offered: Sequence[str] = CODINGS) -> str:
    """The coding of `offered` (best first) that the header rates highest; "identity" where it wants none.

    An offered coding is taken before "identity" of the same weight. Where the header excludes everything,
    identity too, the body goes out as it is: that is what a client without the coding can read.
    """
    if accept_encoding is None:
        return IDENTITY
    weights = _weights(accept_encoding[:_MAX_HEADER_CHARS])
    rest = weights.get("*", 0.0)
    least = weights.get(IDENTITY, weights.get("*", 0.0))
    best, best_weight = IDENTITY, least
    for coding in reversed(offered):
        weight = weights.get(coding, rest)
        if weight > 0 and weight >= best_weight:
            best, best_weight = coding, weight
    return best


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        name = name.lower().removeprefix("x-")
        if not name:
            continue
        weight = 1.0
        for parameter in parameters:
            found = _WEIGHT.fullmatch(parameter)
            # A weight that is none excludes the coding: nobody is sent what he may not be able to read.
            weight = float(found[1]) if found else 0.0
        weights[name] = weight
    return weights


def encoded(parts: Iterable[bytes], coding: str, *, planes: bool = False) -> Iterator[bytes]:
    """`parts` in a coding of CODINGS, or as they are; to be iterated in a thread.

    Byte planes of differences (LQH1) are runs of zeros and noise: looking for runs alone takes half the time
    and, where a map is busy, a twelfth of the bytes.
    """
    if coding == IDENTITY:
        yield from parts
        return
    strategy = zlib.Z_RLE if planes else zlib.Z_DEFAULT_STRATEGY
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS[coding], strategy=strategy)
    for part in parts:
        if compressed := compressor.compress(part):
            yield compressed
    yield compressor.flush()
