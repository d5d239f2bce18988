"""A push service on a local port, with a root certificate of its own, and devices that decrypt messages."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

CONTACT = "mailto:operator@example.com"
_LONGEST_TOKEN_S = 24 * 3600


def unpadded(data: bytes) -> str:
    """Base64url as browsers write it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """The bytes of `unpadded`."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key() -> ec.EllipticCurvePrivateKey:
    """Another key pair."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Device:
    """A browser's side of a subscription: its keys, and how it reads what is pushed (RFC 8291, RFC 8188)."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    name: str = field(default_factory=lambda: os.urandom(8).hex())

    @property
    def public(self) -> bytes:
        """The uncompressed point."""
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self, origin: str) -> dict[str, Any]:
        """What the page sends: PushSubscription.toJSON()."""
        keys = {"p256dh": unpadded(self.public), "auth": unpadded(self.auth)}
        return {"endpoint": f"{origin}/push/{self.name}", "expirationTime": None, "keys": keys}

    def decrypt(self, body: bytes) -> bytes:
        """The text of a message. Raises InvalidTag for one that is another device's."""
        salt, id_bytes = body[:16], body[20]
        sender_point, sealed = body[21 : 21 + id_bytes], body[21 + id_bytes :]
        sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender_point)
        shared = self.private.exchange(ec.ECDH(), sender)
        info = b"WebPush: info\0" + self.public + sender_point
        key = _hmac(_hmac(self.auth, shared), info + b"\1")
        first = _hmac(salt, key)
        content_key = _hmac(first, b"Content-Encoding: aes128gcm\0\1")[:16]
        nonce = _hmac(first, b"Content-Encoding: nonce\0\1")[:12]
        text, delimiter, padding = AESGCM(content_key).decrypt(nonce, sealed, None).rpartition(b"\2")
        assert delimiter == b"\2"
        assert not padding.strip(b"\0")
        return text


@dataclass(frozen=True)
class Posted:
    """One request that a push service got."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float


@dataclass
class PushHost:
    """What was posted, and how it is answered: `answers` in turn (status, headers), then 201."""

    origin: str = ""
    ca: Path = Path()
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    answer_by_path: dict[str, int] = field(default_factory=dict)
    posted: asyncio.Queue[Posted] = field(default_factory=asyncio.Queue)
    held: asyncio.Event | None = None
    """While it is there and not set, nothing is answered."""
    at_once: int = 0
    most_at_once: int = 0

    @property
    def name(self) -> str:
        """As LIQSTREAM_PUSH_HOSTS has it."""
        return self.origin.removeprefix("https://")

    async def next(self, device: Device, within_s: float = 10) -> dict[str, Any]:
        """The next message, which must be for `device` and bear a good token."""
        async with asyncio.timeout(within_s):
            posted = await self.posted.get()
        assert posted.path == f"/push/{device.name}"
        claims = token_claims(posted.headers["Authorization"])
        assert claims["aud"] == self.origin
        assert claims["sub"] == CONTACT
        assert time.time() < claims["exp"] <= time.time() + _LONGEST_TOKEN_S
        assert posted.headers["Content-Encoding"] == "aes128gcm"
        assert len(posted.body) <= 4096
        content: dict[str, Any] = json.loads(device.decrypt(posted.body))
        return content

    async def _take(self, request: web.Request) -> web.Response:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            body = await request.read()
            self.posted.put_nowait(Posted(request.path, dict(request.headers), body, time.monotonic()))
            if self.held is not None:
                await self.held.wait()
            if request.path in self.answer_by_path:
                return web.Response(status=self.answer_by_path[request.path])
            status, headers = self.answers.pop(0) if self.answers else (201, {})
            return web.Response(status=status, headers=headers)
        finally:
            self.at_once -= 1


def token_claims(authorization: str) -> dict[str, Any]:
    """What a VAPID token states (RFC 8292). Raises InvalidSignature for one that its key did not sign."""
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    signed, _, signature = parts["t"].rpartition(".")
    both = bytes_of(signature)
    if len(both) != 64:
        raise InvalidSignature
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes_of(parts["k"]))
    numbers = encode_dss_signature(int.from_bytes(both[:32]), int.from_bytes(both[32:]))
    public.verify(numbers, signed.encode(), ec.ECDSA(hashes.SHA256()))
    head, claims = (json.loads(bytes_of(part)) for part in signed.split("."))
    assert head == {"typ": "JWT", "alg": "ES256"}
    assert isinstance(claims, dict)
    return claims


@asynccontextmanager
async def push_host(folder: Path, port: int | None = None) -> AsyncIterator[PushHost]:
    """Run a push service as https://localhost:PORT, its root certificate in `folder`."""
    host = PushHost()
    context = _certified(folder)
    app = web.Application()
    app.router.add_post("/{path:.*}", host._take)
    server = TestServer(app, scheme="https", host="localhost", port=port)
    await server.start_server(ssl=context)
    try:
        host.origin = f"https://localhost:{server.port}"
        host.ca = folder / "root.pem"
        yield host
    finally:
        if host.held is not None:
            host.held.set()
        await server.close()


def _certified(folder: Path) -> ssl.SSLContext:
    """A server's context, of the certificates in a folder; they are made at first."""
    if not (folder / "host.pem").is_file():
        _write_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem")
    return context


def _write_certificates(folder: Path) -> None:
    """root.pem, and host.pem with its key, which the root has signed for localhost."""
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key = new_key(), new_key()
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root of a test")])
    issued = x509.CertificateBuilder().issuer_name(root_name)
    issued = issued.not_valid_before(_after(-3600)).not_valid_after(_after(86_400))
    root = issued.subject_name(root_name).public_key(root_key.public_key()).serial_number(1)
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    leaf = issued.subject_name(x509.Name([])).public_key(key.public_key()).serial_number(2)
    leaf = leaf.add_extension(names, critical=True)
    chain = leaf.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "root.pem").write_bytes(root.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "host.pem").write_bytes(chain + secret)


def _after(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def _hmac(key: bytes, text: bytes) -> bytes:
    made = hmac.HMAC(key, hashes.SHA256())
    made.update(text)
    return made.finalize()


def http_date(after_s: float) -> str:
    """A date so many seconds from now, as Retry-After may have it."""
    return _after(after_s).strftime("%a, %d %b %Y %H:%M:%S GMT")
