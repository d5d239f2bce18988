"""The devices that get push messages, and the server's key: kept where alert rules are kept.

All servers of a fleet share both: any takes a subscription, the one that leads sends.
"""

from __future__ import annotations

import secrets

import msgspec

from liqstream.alerts.push_device import Subscription
from liqstream.alerts.push_encryption import device_keys
from liqstream.alerts.push_endpoint import PushHosts
from liqstream.alerts.push_vapid import VapidKey
from liqstream.alerts.records import OwnedRecords
from liqstream.store.owned_records import Full, RecordLimits

SUBSCRIPTIONS = "push"
KEYS = "vapid"
"""The kinds of records."""
MAX_DEVICES = 10
"""Of one owner."""
MAX_SUBSCRIPTIONS = 1000
SUBSCRIPTION_LIMITS = RecordLimits(per_owner=MAX_DEVICES, in_all=MAX_SUBSCRIPTIONS)
KEY_LIMITS = RecordLimits(per_owner=1, in_all=1)
"""The first server's key stays; another that makes one at the same time is refused and takes that."""


class ServerKey:
    """The VAPID key of the server, or of its fleet: made at first use, the same for ever after."""

    def __init__(self, records: OwnedRecords) -> None:
        self._records = records

    async def get(self) -> VapidKey:
        """The key as it is kept now: an emptied Redis has another soon, and all servers must use that.

        Raises what the records raise while they are away, and ValueError for a damaged key.
        """
        return await self._kept() or await self._made()

    async def _kept(self) -> VapidKey | None:
        kept = await self._records.of_owner("")
        return next((VapidKey.from_text(text) for text in kept.values()), None)

    async def _made(self) -> VapidKey:
        await self._records.put("", secrets.token_hex(8), VapidKey.new().to_text())
        # Another server may have been first: then there was no room for this one.
        kept = await self._kept()
        if kept is None:
            raise ValueError("the key was not kept")
        return kept


class Subscriptions:
    """The subscriptions of all owners. Every method raises what the records raise while they are away."""

    def __init__(self, records: OwnedRecords, hosts: PushHosts, key: ServerKey) -> None:
        self.key = key
        self._records = records
        self._hosts = hosts

    async def public_key(self) -> str:
        """What a page subscribes with: base64url."""
        return (await self.key.get()).public

    async def add(self, owner: str, subscription: Subscription) -> Full | None:
        """Keep a subscription; what is full, where one limit is reached. Once more of the same is the same.

        Raises BadEndpointError and BadKeyError for what no browser makes.
        """
        self._hosts.check(subscription.endpoint)
        device_keys(subscription.keys.p256dh, subscription.keys.auth)
        content = msgspec.json.encode(subscription).decode()
        return await self._records.put(owner, subscription.id, content)

    async def remove(self, owner: str, subscription_id: str) -> bool:
        """Forget an owner's subscription; False where there is none of that id."""
        return await self._records.delete(owner, subscription_id)

    async def ids(self, owner: str) -> list[str]:
        """Of an owner's subscriptions."""
        return sorted(await self._records.of_owner(owner))

    async def of_owner(self, owner: str) -> list[Subscription]:
        """An owner's subscriptions; what is kept and cannot be read is left out."""
        kept = await self._records.of_owner(owner)
        return [found for content in kept.values() if (found := _read(content)) is not None]


def _read(content: str) -> Subscription | None:
    try:
        return msgspec.json.decode(content, type=Subscription)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
