"""What can go wrong between a client and its server, each in one line a user can act on."""

from __future__ import annotations

import msgspec

from .url_mask import masked

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding bytes raises that are not what was asked for: of another shape, no UTF-8, nested deeply."""


class ClientError(Exception):
    """The client cannot do what was asked; the message is the one line to show, without secrets."""

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


class CannotConnectError(ClientError):
    """Nothing that speaks WebSocket answers at the address."""


class RefusedError(ClientError):
    """Trying again will not help: wrong token, too many errors, another protocol."""


class UnknownSymbolError(ClientError):
    """The server does not follow a symbol that was asked for."""


class MarketEndedError(UnknownSymbolError):
    """The server does not follow a subscribed symbol any more; the message says why."""


class OldServerError(ClientError):
    """The server speaks only the first protocol."""
