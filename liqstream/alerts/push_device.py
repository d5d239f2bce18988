"""A device that gets push messages, as its browser names it. Needs nothing but what the server always has."""

from __future__ import annotations

from hashlib import sha256

import msgspec


class BadDeviceError(Exception):
    """A subscription that no browser makes, or may not be sent to; the message says why."""


class BadEndpointError(BadDeviceError):
    """An address no message may go to; the message does not repeat it."""


class BadKeyError(BadDeviceError):
    """Keys of a subscription that no browser makes; the message says which."""


class Keys(msgspec.Struct, frozen=True):
    """The public key and the secret of a device, base64url."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """A browser's PushSubscription as its toJSON() has it, without what nobody needs."""

    endpoint: str
    keys: Keys

    @property
    def id(self) -> str:
        """Names it to its owner's page: a hash of the endpoint, which is a secret of the device."""
        return sha256(self.endpoint.encode()).hexdigest()[:32]
