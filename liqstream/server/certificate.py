"""The DNS names a certificate is made out to and when it ends, read from its DER form (RFC 5280, 4.1)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_SUBJECT_ALT_NAME = bytes.fromhex("0603551d11")
"""OBJECT IDENTIFIER 2.5.29.17 (RFC 5280, 4.2.1.6)."""
_OCTET_STRING, _SEQUENCE, _DNS_NAME = 0x04, 0x30, 0x82
_BOOLEAN = 0x01
_LONG_FORM = 0x80
_VERSION, _UTC_TIME = 0xA0, 0x17
_BEFORE_VALIDITY = 3
"""Serial number, signature algorithm, issuer."""
_FIRST_YEAR_OF_UTC_TIME = 1950


def certificate_names(pem: str) -> tuple[str, ...]:
    """The DNS names of the first certificate in `pem`; none where they cannot be read."""
    try:
        return tuple(_dns_names(_first_der(pem)))
    except (ValueError, IndexError):
        return ()


def certificate_expiry_s(pem: str) -> float | None:
    """When the first certificate in `pem` ends, Unix time; None where that cannot be read."""
    try:
        return _not_after(_first_der(pem)).timestamp()
    except (ValueError, IndexError):
        return None


def _first_der(pem: str) -> bytes:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = pem.index(begin)
    return ssl.PEM_cert_to_DER_cert(pem[start : pem.index(end, start) + len(end)])


def _not_after(der: bytes) -> datetime:
    _, certificate, _ = _element(der)
    _, rest, _ = _element(certificate)
    tag, _, after = _element(rest)
    if tag == _VERSION:  # which the first version of certificates leaves out
        rest = after
    for _ in range(_BEFORE_VALIDITY):
        _, _, rest = _element(rest)
    _, validity, _ = _element(rest)
    _, _, rest = _element(validity)
    tag, value, _ = _element(rest)
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year, which mean 1950 to 2049
        century = "20" if int(text[:2]) < _FIRST_YEAR_OF_UTC_TIME % 100 else "19"
        text = century + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _dns_names(der: bytes) -> Iterator[str]:
    at = der.find(_SUBJECT_ALT_NAME)
    if at < 0:
        return
    tag, value, rest = _element(der[at + len(_SUBJECT_ALT_NAME) :])
    if tag == _BOOLEAN:  # "critical", which may stand before the value
        tag, value, _ = _element(rest)
    if tag != _OCTET_STRING:
        raise ValueError("no subject alternative name")
    tag, names, _ = _element(value)
    if tag != _SEQUENCE:
        raise ValueError("no list of names")
    while names:
        tag, value, names = _element(names)
        if tag == _DNS_NAME:
            yield value.decode("ascii")


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """The first element's tag and value, and what follows it."""
    tag, length, start = der[0], der[1], 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("the element is cut off")
    return tag, der[start : start + length], der[start + length :]
