"""Content codings by their weights (RFC 9110, 12.5.3), and bodies that decode to what they were."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

from liqstream.http.content_coding import accepted_coding, encoded


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, "identity"),
        ("", "identity"),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", "deflate"),
        ("deflate, gzip, br", "gzip"),
        ("deflate;q=1, gzip;q=0.5", "deflate"),
        ("deflate;q=0", "identity"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; Q=0.000", "identity"),
        ("*", "gzip"),
        ("*;q=0", "identity"),
        ("gzip;q=0, *", "deflate"),
        ("identity, gzip;q=0.5", "identity"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, *;q=0", "identity"),
        ("gzip;q=2", "identity"),
        ("gzip;q=x", "identity"),
        ("zebra", "identity"),
        ("nogzip, gzipped", "identity"),
        (",;,gzip", "gzip"),
    ],
)
def test_the_coding_rated_highest(header: str | None, coding: str) -> None:
    """Weights, "*" and letter case count; a name inside another one does not."""
    assert accepted_coding(header) == coding


@pytest.mark.parametrize(("header", "coding"), [("zebra", "identity"), ("br, gzip", "br"), ("gzip", "gzip")])
def test_only_what_is_offered(header: str, coding: str) -> None:
    """A static file may have brotli as well."""
    assert accepted_coding(header, ("br", "gzip")) == coding


def test_bodies_decode_to_what_they_were() -> None:
    """Whatever parts they came in."""
    parts = [b"a" * 70_000, b"", b"b" * 7]
    assert b"".join(encoded(parts, "identity")) == b"".join(parts)
    assert gzip.decompress(b"".join(encoded(parts, "gzip"))) == b"".join(parts)
    assert zlib.decompress(b"".join(encoded(parts, "deflate"))) == b"".join(parts)
    assert gzip.decompress(b"".join(encoded(parts, "gzip", planes=True))) == b"".join(parts)


def test_planes_of_differences_take_fewer_bytes() -> None:
    """Mostly zeros, and small numbers in no order."""
    plane = np.random.default_rng(3).choice(np.arange(6, dtype=np.uint8), 100_000, p=[0.9] + [0.02] * 5)
    sizes = [len(b"".join(encoded([plane.tobytes()], "gzip", planes=planes))) for planes in (True, False)]
    assert sizes[0] < 0.96 * sizes[1]
