"""What can go wrong between a client and its server, each in one line a user can act on."""

from __future__ import annotations

from .url_mask import masked


class ClientError(Exception):
    """The client cannot do what was asked; the message is the one line to show, without secrets."""

    def __init__(self, message: str) -> None:
        # A server's words may be in it: no line breaks, no terminal's escape sequences.
        shown = (each if each.isprintable() else ascii(each)[1:-1] for each in masked(message))
        super().__init__("".join(shown))


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
