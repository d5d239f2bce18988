"""Encrypts what is pushed to a device, so that only it can read it (RFC 8291, content coding of RFC 8188).

Needs the package cryptography (extra `push`).
"""

from __future__ import annotations

import base64
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from liqstream.alerts.push_device import BadKeyError

MAX_BODY_BYTES = 4096
"""What every push service takes (RFC 8030, 7.2)."""
_RECORD_BYTES = 4096
_SALT_BYTES = 16
_AUTH_BYTES = 16
_POINT_BYTES = 65
_HEADER_BYTES = _SALT_BYTES + 4 + 1 + _POINT_BYTES
_OVERHEAD_BYTES = 1 + 16
"""The delimiter of the last record, and the tag."""
MAX_TEXT_BYTES = MAX_BODY_BYTES - _HEADER_BYTES - _OVERHEAD_BYTES


def encrypt(
    text: bytes,
    *,
    p256dh: str,
    auth: str,
    salt: bytes | None = None,
    sender: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body to post: `text`, at most MAX_TEXT_BYTES, for the device with these keys (base64url).

    `salt` and `sender` are made anew for each message; only a test gives them. Raises BadKeyError, and
    ValueError for a text that is too long.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise ValueError(f"{len(text)} bytes: a push message holds {MAX_TEXT_BYTES}")
    receiver, secret = device_keys(p256dh, auth)
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    sender = sender or ec.generate_private_key(ec.SECP256R1())
    public = point(sender.public_key())
    # RFC 8291, 3.3 and 3.4: both public keys are bound into the key, so that no other device can be meant.
    shared = sender.exchange(ec.ECDH(), receiver)
    key = _derived(shared, secret, b"WebPush: info\0" + point(receiver) + public, 32)
    content_key = _derived(key, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(key, salt, b"Content-Encoding: nonce\0", 12)
    # 0x02 ends the last record; it is the only one, so its sequence number 0 leaves the nonce as it is.
    sealed = AESGCM(content_key).encrypt(nonce, text + b"\x02", None)
    return salt + _RECORD_BYTES.to_bytes(4) + bytes([len(public)]) + public + sealed


def device_keys(p256dh: str, auth: str) -> tuple[ec.EllipticCurvePublicKey, bytes]:
    """The keys of a subscription as its page has them. Raises BadKeyError."""
    secret = _decoded("auth", auth)
    if len(secret) != _AUTH_BYTES:
        raise BadKeyError(f"keys.auth must be {_AUTH_BYTES} bytes in base64url")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(
            ec.SECP256R1(), _decoded("p256dh", p256dh)
        ), secret
    except ValueError:
        raise BadKeyError("keys.p256dh must be a point of the curve P-256 in base64url") from None


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as browsers have it: the uncompressed point, 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def base64url(data: bytes) -> str:
    """Base64 for addresses and headers, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of `base64url`. Raises ValueError for anything else."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _decoded(name: str, text: str) -> bytes:
    try:
        return from_base64url(text)
    except ValueError:
        raise BadKeyError(f"keys.{name} must be base64url") from None


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
