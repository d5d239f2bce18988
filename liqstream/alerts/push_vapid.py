"""Who sends: a key of this server's own, and the token by which push services know it (VAPID, RFC 8292).

Needs the package cryptography (extra `push`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from liqstream.alerts.push_encryption import base64url, from_base64url, point

TOKEN_S = 12 * 3600
"""How long a token holds; 24 h are the most (RFC 8292, 2)."""
_PRIVATE_BYTES = 32
_RENEW_S = 3600
"""A token is made anew so long before its end: the other side's clock may differ."""


class VapidKey:
    """The server's key pair. What shows it as text shows neither half of it."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        self.public = base64url(point(private.public_key()))
        """For pages that subscribe (applicationServerKey): base64url."""

    def __repr__(self) -> str:
        return "VapidKey(***)"

    @classmethod
    def new(cls) -> VapidKey:
        """Another key, which no subscription knows yet."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_text(cls, text: str) -> VapidKey:
        """The key that `to_text` gave. Raises ValueError, without the text in it."""
        try:
            data = from_base64url(text)
            if len(data) == _PRIVATE_BYTES:
                return cls(ec.derive_private_key(int.from_bytes(data), ec.SECP256R1()))
        except (ValueError, TypeError, OverflowError):
            pass  # whatever is wrong with it, the text is not repeated
        raise ValueError("the kept key is none of ours")

    def to_text(self) -> str:
        """The private half, to be kept where nobody else reads."""
        return base64url(self._private.private_numbers().private_value.to_bytes(_PRIVATE_BYTES))

    def sign(self, text: bytes) -> bytes:
        """The signature of JWS's ES256: r and s, 32 bytes each."""
        r, s = decode_dss_signature(self._private.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


class VapidTokens:
    """The Authorization header for each push service: one token is used for hours.

    `contact` is where the push service's operator may write to: mailto: or https:. `now_s` is the time of the
    day in s since 1970.
    """

    def __init__(self, key: VapidKey, contact: str, now_s: Callable[[], float] = time.time) -> None:
        self.key = key
        self._contact = contact
        self._now_s = now_s
        self._by_origin: dict[str, tuple[float, str]] = {}  # one for each host that is listed: few

    def header(self, origin: str) -> str:
        """For requests to `origin`, e.g. https://fcm.googleapis.com."""
        now_s = self._now_s()
        until_s, header = self._by_origin.get(origin, (0.0, ""))
        if not now_s < until_s - _RENEW_S <= now_s + TOKEN_S:
            until_s = now_s + TOKEN_S
            header = self._made(origin, int(until_s))
            self._by_origin[origin] = (until_s, header)
        return header

    def _made(self, origin: str, until_s: int) -> str:
        claims = {"aud": origin, "exp": until_s, "sub": self._contact}
        parts = ({"typ": "JWT", "alg": "ES256"}, claims)
        text = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return f"vapid t={text}.{base64url(self.key.sign(text.encode()))}, k={self.key.public}"
