"""Devices and the server's key, kept as records."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from liqstream.alerts.push_device import BadEndpointError, BadKeyError, Subscription
from liqstream.alerts.push_endpoint import PushHosts
from liqstream.alerts.push_subscriptions import (
    KEY_LIMITS,
    MAX_DEVICES,
    MAX_SUBSCRIPTIONS,
    SUBSCRIPTION_LIMITS,
    ServerKey,
    Subscriptions,
)
from liqstream.store.owned_records import Full
from tests.support.dict_records import DictRecords
from tests.support.push_host import Device

OWNER, OTHER = "a" * 64, "b" * 64
ORIGIN = "https://fcm.googleapis.com"


def read(fields: dict[str, Any]) -> Subscription:
    return msgspec.convert(fields, Subscription)


def kept_in(records: DictRecords) -> Subscriptions:
    return Subscriptions(records, PushHosts(), ServerKey(DictRecords(KEY_LIMITS)))


def device() -> Subscription:
    return read(Device().subscription(ORIGIN))


async def test_a_device_is_its_owners_alone() -> None:
    subscriptions = kept_in(DictRecords(SUBSCRIPTION_LIMITS))
    mine = device()
    assert await subscriptions.add(OWNER, mine) is None
    assert await subscriptions.add(OWNER, mine) is None  # once more is no second one
    assert await subscriptions.of_owner(OWNER) == [mine]
    assert await subscriptions.ids(OWNER) == [mine.id]
    assert await subscriptions.of_owner(OTHER) == []
    assert not await subscriptions.remove(OTHER, mine.id)
    assert await subscriptions.remove(OWNER, mine.id)
    assert not await subscriptions.remove(OWNER, mine.id)
    assert await subscriptions.ids(OWNER) == []


def test_an_id_tells_nobody_the_endpoint() -> None:
    subscription = device()
    assert len(subscription.id) == 32
    assert subscription.id not in subscription.endpoint
    assert subscription.id != device().id


async def test_there_are_so_many_devices_and_no_more() -> None:
    records = DictRecords(SUBSCRIPTION_LIMITS)
    subscriptions = kept_in(records)
    for _ in range(MAX_DEVICES):
        assert await subscriptions.add(OWNER, device()) is None
    assert await subscriptions.add(OWNER, device()) is Full.OWNER
    records.kept |= {(f"owner{i}", "x"): "{}" for i in range(MAX_SUBSCRIPTIONS - MAX_DEVICES)}
    assert await subscriptions.add(OTHER, device()) is Full.ALL


async def test_what_no_browser_makes_is_refused() -> None:
    subscriptions = kept_in(DictRecords(SUBSCRIPTION_LIMITS))
    with pytest.raises(BadEndpointError):
        await subscriptions.add(OWNER, read(Device().subscription("https://10.0.0.1")))
    with pytest.raises(BadKeyError):
        await subscriptions.add(OWNER, read(Device(auth=b"short").subscription(ORIGIN)))
    assert await subscriptions.ids(OWNER) == []


async def test_a_damaged_record_keeps_no_other_from_its_message() -> None:
    records = DictRecords(SUBSCRIPTION_LIMITS)
    subscriptions = kept_in(records)
    good = device()
    records.kept[OWNER, "damaged"] = "{"
    await subscriptions.add(OWNER, good)
    assert await subscriptions.of_owner(OWNER) == [good]


async def test_servers_that_begin_together_have_one_key() -> None:
    records = DictRecords(KEY_LIMITS)
    servers = [ServerKey(records) for _ in range(5)]
    keys = await asyncio.gather(*(server.get() for server in servers))
    assert len({key.public for key in keys}) == 1
    assert (await ServerKey(records).get()).public == keys[0].public
    assert len(records.kept) == 1


async def test_a_key_that_was_lost_is_made_anew_everywhere() -> None:
    records = DictRecords(KEY_LIMITS)
    one, two = ServerKey(records), ServerKey(records)
    before = await one.get()
    records.kept.clear()
    after = await two.get()
    assert after.public != before.public
    assert (await one.get()).public == after.public


async def test_a_damaged_key_is_an_error_and_not_replaced() -> None:
    """Each subscription is bound to it: it can still be mended from a backup."""
    records = DictRecords(KEY_LIMITS)
    records.kept["", "x"] = "damaged"
    with pytest.raises(ValueError, match="none of ours"):
        await ServerKey(records).get()
    assert records.kept == {("", "x"): "damaged"}
