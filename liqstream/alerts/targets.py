"""Where alerts go: a webhook of one's own, Telegram, Discord; each in its own format."""

from __future__ import annotations

import hashlib
import hmac
import re
from ipaddress import IPv4Address
from typing import Literal, NamedTuple

import msgspec
from yarl import URL

from liqstream.admission.host import host_of
from liqstream.alerts.firing import Firing
from liqstream.heatmap.snapshot import iso_utc

TELEGRAM_URL = "https://api.telegram.org"
MAX_TEXT = 1900
"""Discord takes 2000 characters, Telegram 4096."""
SIGNATURE_HEADER = "X-Liqstream-Signature"
_LONGEST_NAME = 253
_NUMBER_LAST = re.compile(r"(?:[^:]*\.)?[0-9]+")
_BOT_TOKEN = re.compile(r"[0-9A-Za-z:_-]+")


class Post(NamedTuple):
    """What is posted: the address, the JSON, and headers beside its content type."""

    url: str
    body: bytes
    headers: dict[str, str]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receiver of the alerts file. `url` for webhook and Discord, `token` and `chat_id` for Telegram.

    A webhook with a `secret` is signed: the header X-Liqstream-Signature is "sha256=" and the HMAC-SHA-256 of
    the body under the secret, in hex.
    """

    name: str
    kind: Literal["webhook", "telegram", "discord"]
    url: str = ""
    token: str = ""
    chat_id: str = ""
    secret: str = ""

    def problem(self) -> str | None:
        """What is missing or cannot be used, in a sentence; None if nothing is."""
        if self.secret and self.kind != "webhook":
            return f"{self.kind} has no secret: only a webhook is signed"
        if self.kind != "telegram" and (self.token or self.chat_id):
            return f"{self.kind} has no token and no chat_id, which are telegram's: its url is all it needs"
        if self.kind == "telegram":
            if not (self.token and self.chat_id):
                return "telegram needs token and chat_id"
            if not _BOT_TOKEN.fullmatch(self.token):
                return "its token is none of a Telegram bot, e.g. 123456:ABC"
            return _url_problem(self.url) if self.url else None
        return _url_problem(self.url) if self.url else f"{self.kind} needs an http(s) url"

    def request(self, firing: Firing) -> Post:
        """What to post for an alert. Data that is not live is named as what it is."""
        text = firing.sentence[:MAX_TEXT]
        if self.kind == "telegram":
            base = self.url.rstrip("/") or TELEGRAM_URL
            url = f"{base}/bot{self.token}/sendMessage"
            return Post(url, msgspec.json.encode({"chat_id": self.chat_id, "text": text}), {})
        if self.kind == "discord":
            content = {"content": text, "allowed_mentions": {"parse": []}}
            return Post(self.url, msgspec.json.encode(content), {})
        body = msgspec.json.encode(
            {
                "rule": firing.rule_id,
                "kind": firing.kind,
                "symbol": firing.symbol,
                "message": text,
                "source": firing.source,
                "time": iso_utc(firing.time_ms // 1000 * 1000),
                "facts": firing.facts,
            }
        )
        return Post(self.url, body, {SIGNATURE_HEADER: signature(self.secret, body)} if self.secret else {})


def signature(secret: str, body: bytes) -> str:
    """What proves to a receiver who knows `secret` that `body` comes from here."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _url_problem(text: str) -> str | None:
    """Why no request can go to `text`, without repeating it: it may hold a token."""
    try:
        url = URL(text)
    except ValueError:
        return (
            "its url cannot be read: scheme, host and a port up to 65535, e.g. https://example.com:8443/hook"
        )
    if url.scheme not in ("http", "https"):
        return "its url must begin with http:// or https://"
    if url.explicit_port == 0:
        return "port 0 of its url takes no connections"
    return None if _can_exist(url.raw_host or "") else "its url names no host that can exist"


def _can_exist(host: str) -> bool:
    """Whether there can be a host of this name or address."""
    if _NUMBER_LAST.fullmatch(host):  # no name ends so: it is an IPv4 address or nothing
        try:
            return bool(IPv4Address(host))
        except ValueError:
            return False
    return len(host) <= _LONGEST_NAME and host_of(f"[{host}]" if ":" in host else host) is not None
