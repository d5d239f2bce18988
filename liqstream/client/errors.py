"""What can go wrong between a client and its server, each in one line a user can act on."""

from __future__ import annotations


class ClientError(Exception):
    """The client cannot do what was asked; the message is the one line to show."""


class CannotConnectError(ClientError):
    """Nothing that speaks WebSocket answers at the address."""


class RefusedError(ClientError):
    """The server said that trying again will not help: wrong token, too many errors, another protocol."""


class UnknownSymbolError(ClientError):
    """The server does not follow a symbol that was asked for."""


class OldServerError(ClientError):
    """The server speaks only the first protocol."""
