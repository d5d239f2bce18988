"""Where alerts go: a webhook of one's own, Telegram, Discord; each in its own words."""

from __future__ import annotations

from typing import Literal

import msgspec

from liqstream.alerts.rules import Alert
from liqstream.market import Source

TELEGRAM_URL = "https://api.telegram.org"
MAX_TEXT = 1900
"""Discord takes 2000 characters, Telegram 4096."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receiver of the alerts file. `url` for webhook and Discord, `token` and `chat_id` for Telegram."""

    name: str
    kind: Literal["webhook", "telegram", "discord"]
    url: str = ""
    token: str = ""
    chat_id: str = ""

    def problem(self) -> str | None:
        """What is missing, in a sentence; None if nothing is."""
        if self.kind == "telegram":
            return None if self.token and self.chat_id else "telegram needs token and chat_id"
        return None if self.url.startswith(("http://", "https://")) else f"{self.kind} needs an http(s) url"

    def request(self, alert: Alert, *, source: Source, time: str) -> tuple[str, dict[str, object]]:
        """The address to post to and the JSON to post. Data that is not live is named as what it is."""
        text = (alert.text if source == "live" else f"[{source.upper()}] {alert.text}")[:MAX_TEXT]
        if self.kind == "telegram":
            base = self.url.rstrip("/") or TELEGRAM_URL
            return f"{base}/bot{self.token}/sendMessage", {"chat_id": self.chat_id, "text": text}
        if self.kind == "discord":
            return self.url, {"content": text, "allowed_mentions": {"parse": []}}
        return self.url, {
            "rule": alert.rule.name,
            "kind": alert.rule.kind,
            "symbol": alert.symbol,
            "message": text,
            "source": source,
            "time": time,
            "facts": alert.facts,
        }
