"""What a device is shown of a firing: a trader's sentence, and the map that a click opens."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

from liqstream.alerts.firing import Firing

TTL_S = 3600
"""A push service keeps a message so long for a device that is off: an hour later the market is elsewhere."""
MAX_SENTENCE_CHARS = 600


class PushMessage(NamedTuple):
    """The text to encrypt, JSON, and the headers that push services obey (RFC 8030, 5)."""

    text: bytes
    headers: dict[str, str]


def message_of(firing: Firing) -> PushMessage:
    """The message about a firing. A newer one of the same rule and market replaces one not delivered yet."""
    head, colon, rest = firing.sentence.partition(": ")
    is_named = bool(colon) and head.endswith(firing.symbol)
    title, body = (head, rest) if is_named else (firing.symbol, firing.sentence)
    topic = sha256(f"{firing.owner} {firing.rule_id} {firing.symbol}".encode()).hexdigest()[:32]
    content = {
        "title": title,
        "body": body[:MAX_SENTENCE_CHARS],
        "url": f"?symbol={quote(firing.symbol)}",
        "tag": topic,
        "time_ms": firing.time_ms,
    }
    return PushMessage(
        json.dumps(content, ensure_ascii=False).encode(),
        {"TTL": str(TTL_S), "Urgency": "high", "Topic": topic, "Content-Encoding": "aes128gcm"},
    )
