"""Encryption of push messages: the RFC's own example, and what no browser sends."""

from __future__ import annotations

from typing import TypedDict

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from liqstream.alerts.push_device import BadKeyError
from liqstream.alerts.push_encryption import (
    MAX_BODY_BYTES,
    MAX_TEXT_BYTES,
    base64url,
    device_keys,
    encrypt,
    from_base64url,
)
from tests.support.push_host import Device, bytes_of, unpadded

# RFC 8291, appendix A.
TEXT = b"When I grow up, I want to be a watermelon"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
RECEIVER = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8w"
    "EqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


class Keys(TypedDict):
    """As `encrypt` takes them."""

    p256dh: str
    auth: str


def key_of(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(bytes_of(text)), ec.SECP256R1())


def keys_of(device: Device) -> Keys:
    return {"p256dh": unpadded(device.public), "auth": unpadded(device.auth)}


def test_the_rfcs_example_byte_by_byte() -> None:
    body = encrypt(TEXT, p256dh=PUBLIC, auth=AUTH, salt=bytes_of(SALT), sender=key_of(SENDER))
    assert unpadded(body) == BODY


def test_the_devices_of_these_tests_read_the_rfcs_example() -> None:
    """So what they decrypt below is what a browser decrypts."""
    device = Device(key_of(RECEIVER), bytes_of(AUTH))
    assert unpadded(device.public) == PUBLIC
    assert device.decrypt(bytes_of(BODY)) == TEXT


@settings(max_examples=25)
@given(st.binary(max_size=MAX_TEXT_BYTES))
def test_a_device_reads_what_is_meant_for_it_and_no_other_does(text: bytes) -> None:
    device, other = Device(), Device()
    body = encrypt(text, **keys_of(device))
    assert len(body) <= MAX_BODY_BYTES
    assert device.decrypt(body) == text
    for wrong in (other, Device(device.private, other.auth)):
        with pytest.raises(InvalidTag):
            wrong.decrypt(body)


def test_no_two_messages_share_salt_and_key() -> None:
    """The nonce is made of them: once more of the same would give the text away."""
    device = Device()
    bodies = [encrypt(TEXT, **keys_of(device)) for _ in range(3)]
    assert len({body[:16] for body in bodies}) == len({body[21:86] for body in bodies}) == 3


def test_the_longest_text_fills_a_message_and_a_longer_one_is_refused() -> None:
    device = Device()
    assert len(encrypt(b"x" * MAX_TEXT_BYTES, **keys_of(device))) == MAX_BODY_BYTES
    with pytest.raises(ValueError, match="holds"):
        encrypt(b"x" * (MAX_TEXT_BYTES + 1), **keys_of(device))


@pytest.mark.parametrize(
    ("p256dh", "auth", "named"),
    [
        (PUBLIC, "AAAA", "keys.auth"),
        (PUBLIC, "not base64!", "keys.auth"),
        (PUBLIC, "ü" * 22, "keys.auth"),
        ("", AUTH, "keys.p256dh"),
        ("AAAA", AUTH, "keys.p256dh"),
        (unpadded(b"\x04" + b"\x01" * 64), AUTH, "keys.p256dh"),
        (unpadded(b"\x00"), AUTH, "keys.p256dh"),
    ],
)
def test_keys_no_browser_makes_are_refused(p256dh: str, auth: str, named: str) -> None:
    """A point off the curve would tell an attacker of our key; none at all has no shared secret."""
    with pytest.raises(BadKeyError, match=named):
        device_keys(p256dh, auth)


@given(st.binary(max_size=80))
def test_base64url_and_back(data: bytes) -> None:
    assert from_base64url(base64url(data)) == data
    assert base64url(data) == unpadded(data)
