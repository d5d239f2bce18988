"""Every close code a client may see: its meaning, and whether the client should reconnect.

4000 to 4499 mean "reconnect", 4500 to 4999 "do not"; below 4000 the meanings are RFC 6455's.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CloseCode:
    """A WebSocket close code. `reason` is the text of the close frame (at most 123 bytes)."""

    code: int
    name: str
    reason: str
    reconnect: bool


NORMAL = CloseCode(1000, "NORMAL", "bye", reconnect=False)
GOING_AWAY = CloseCode(1001, "GOING_AWAY", "the server is stopping", reconnect=True)
PROTOCOL_ERROR = CloseCode(1002, "PROTOCOL_ERROR", "a frame broke RFC 6455", reconnect=False)
ABNORMAL = CloseCode(1006, "ABNORMAL", "the connection was lost without a close frame", reconnect=True)
INVALID_TEXT = CloseCode(1007, "INVALID_TEXT", "a text message was not UTF-8", reconnect=False)
POLICY = CloseCode(1008, "POLICY", "the message is against the server's policy", reconnect=False)
TOO_BIG = CloseCode(1009, "TOO_BIG", "a message was larger than 4 KiB", reconnect=False)
INTERNAL_ERROR = CloseCode(1011, "INTERNAL_ERROR", "the server met an error", reconnect=True)
RESTART = CloseCode(1012, "RESTART", "the server is restarting", reconnect=True)
OVERLOADED = CloseCode(1013, "OVERLOADED", "the server is overloaded, try again later", reconnect=True)
SLOW_CONSUMER = CloseCode(4000, "SLOW_CONSUMER", "nothing was read for too long", reconnect=True)
NO_PONG = CloseCode(4001, "NO_PONG", "a ping was not answered", reconnect=True)
RATE_LIMITED = CloseCode(4002, "RATE_LIMITED", "too many messages", reconnect=True)
IDLE = CloseCode(4003, "IDLE", "no subscription for too long", reconnect=True)
MAX_LIFETIME = CloseCode(4004, "MAX_LIFETIME", "the connection reached its greatest age", reconnect=True)
UNAUTHORIZED = CloseCode(4500, "UNAUTHORIZED", "a valid token is needed", reconnect=False)
TOO_MANY_ERRORS = CloseCode(4501, "TOO_MANY_ERRORS", "more than 50 bad messages in 60 s", reconnect=False)
UNSUPPORTED_PROTOCOL = CloseCode(
    4502, "UNSUPPORTED_PROTOCOL", "this server speaks proto 1 and 2", reconnect=False
)

CLOSE_CODES: dict[int, CloseCode] = {
    code.code: code
    for code in (
        NORMAL,
        GOING_AWAY,
        PROTOCOL_ERROR,
        ABNORMAL,
        INVALID_TEXT,
        POLICY,
        TOO_BIG,
        INTERNAL_ERROR,
        RESTART,
        OVERLOADED,
        SLOW_CONSUMER,
        NO_PONG,
        RATE_LIMITED,
        IDLE,
        MAX_LIFETIME,
        UNAUTHORIZED,
        TOO_MANY_ERRORS,
        UNSUPPORTED_PROTOCOL,
    )
}
