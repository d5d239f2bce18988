"""Sending: to a push service over TLS, tried again, bounded, counted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from aiohttp.test_utils import unused_port
from structlog.testing import capture_logs

from liqstream.alerts.firing import Firing
from liqstream.alerts.push_device import Subscription
from liqstream.alerts.push_endpoint import PushHosts
from liqstream.alerts.push_sender import AT_ONCE, MAX_FIRINGS, TRIES, PushSender
from liqstream.alerts.push_subscriptions import (
    KEY_LIMITS,
    SUBSCRIPTION_LIMITS,
    ServerKey,
    Subscriptions,
)
from liqstream.metrics import Metrics
from tests.support.dict_records import DictRecords
from tests.support.push_host import CONTACT, Device, PushHost, push_host

OWNER, OTHER = "a" * 64, "b" * 64


def firing(owner: str = OWNER, symbol: str = "BTCUSDT") -> Firing:
    return Firing("r1", owner, symbol, "cascade", f"{symbol}: 5.1M USD liquidated within 60 s", 1)


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Wait for what passes between other tasks."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # a metric has no event
            await asyncio.sleep(0.005)


@dataclass
class Rig:
    """A sender that runs, and what it sends to."""

    host: PushHost
    sender: PushSender
    records: DictRecords
    subscriptions: Subscriptions
    metrics: Metrics

    async def subscribe(self, owner: str = OWNER) -> Device:
        """A new device of an owner."""
        device = Device()
        await self.keep(device.subscription(self.host.origin), owner)
        return device

    async def keep(self, fields: dict[str, object], owner: str = OWNER) -> None:
        """A subscription that was taken in, whatever the list of hosts says now."""
        subscription = msgspec.convert(fields, Subscription)
        await self.records.put(owner, subscription.id, msgspec.json.encode(subscription).decode())

    def count(self, outcome: str) -> float:
        """Messages of an outcome."""
        sample = self.metrics.registry.get_sample_value
        return sample("liqstream_push_messages_total", {"outcome": outcome}) or 0

    async def until(self, outcome: str, count: float, within_s: float = 10) -> None:
        """Wait until so many messages have that outcome."""
        await until(lambda: self.count(outcome) >= count, within_s)


@asynccontextmanager
async def running(host: PushHost, added: str = "") -> AsyncIterator[Rig]:
    """A sender to `host`; `added` is its list of hosts instead of the host's own name."""
    hosts, records, metrics = PushHosts([added or host.name]), DictRecords(SUBSCRIPTION_LIMITS), Metrics()
    subscriptions = Subscriptions(records, hosts, ServerKey(DictRecords(KEY_LIMITS)))
    context = await asyncio.to_thread(ssl.create_default_context, cafile=host.ca)
    sender = PushSender(subscriptions, hosts, metrics, contact=CONTACT, ssl_context=context)
    sender.first_wait_s = 0.01
    task = asyncio.create_task(sender.run())
    try:
        yield Rig(host, sender, records, subscriptions, metrics)
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("push")


@pytest.fixture
async def rig(certificates: Path) -> AsyncIterator[Rig]:
    async with push_host(certificates) as host, running(host) as rig:
        yield rig


async def test_each_device_of_the_owner_gets_one_message_that_it_alone_can_read(rig: Rig) -> None:
    mine, also_mine = await rig.subscribe(), await rig.subscribe()
    await rig.subscribe(OTHER)
    rig.sender.take(firing())
    await rig.until("sent", 2)
    by_path = {posted.path: posted for posted in (rig.host.posted.get_nowait(), rig.host.posted.get_nowait())}
    for device in (mine, also_mine):
        rig.host.posted.put_nowait(by_path[f"/push/{device.name}"])
        content = await rig.host.next(device)
        assert content["body"] == "5.1M USD liquidated within 60 s"
    assert rig.host.posted.empty()


async def test_rules_of_the_alerts_file_are_nobodys(rig: Rig) -> None:
    mine = await rig.subscribe("")
    device = await rig.subscribe()
    rig.sender.take(firing(owner=""))
    rig.sender.take(firing())
    assert await rig.host.next(device)
    assert mine.name != device.name
    assert rig.host.posted.empty()


@pytest.mark.parametrize("status", [404, 410])
async def test_a_device_that_is_gone_is_forgotten(rig: Rig, status: int) -> None:
    gone, here = await rig.subscribe(), await rig.subscribe()
    rig.host.answer_by_path[f"/push/{gone.name}"] = status
    rig.sender.take(firing())
    await rig.until("gone", 1)
    await rig.until("sent", 1)
    kept = await rig.subscriptions.of_owner(OWNER)
    assert [each.endpoint for each in kept] == [here.subscription(rig.host.origin)["endpoint"]]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_service_that_is_busy_is_asked_again(rig: Rig, status: int) -> None:
    device = await rig.subscribe()
    rig.host.answers = [(status, {}), (status, {"Retry-After": "0"})]
    rig.sender.take(firing())
    await rig.until("sent", 1)
    assert rig.host.posted.qsize() == 3
    assert await rig.host.next(device) == await rig.host.next(device)
    assert rig.metrics.registry.get_sample_value("liqstream_push_retries_total") == 2


async def test_a_service_that_stays_away_is_given_up(rig: Rig) -> None:
    await rig.subscribe()
    rig.host.answers = [(503, {})] * TRIES
    with capture_logs() as logs:
        rig.sender.take(firing())
        await rig.until("failed", 1)
    assert rig.host.posted.qsize() == TRIES
    assert [(each["event"], each["host"], each["reason"]) for each in logs] == [
        ("push_not_sent", "localhost", "HTTP 503")
    ]


async def test_it_waits_as_long_as_it_is_asked_to(rig: Rig) -> None:
    device = await rig.subscribe()
    rig.host.answers = [(429, {"Retry-After": "1"})]
    rig.sender.take(firing())
    await rig.until("sent", 1)
    first, second = rig.host.posted.get_nowait(), rig.host.posted.get_nowait()
    assert second.at_s - first.at_s >= 1
    assert second.path == f"/push/{device.name}"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 413])
async def test_any_other_answer_is_final_and_no_redirect_is_followed(rig: Rig, status: int) -> None:
    await rig.subscribe()
    rig.host.answers = [(status, {"Location": f"{rig.host.origin}/push/elsewhere"})]
    rig.sender.take(firing())
    await rig.until("refused", 1)
    assert rig.host.posted.qsize() == 1
    assert len(await rig.subscriptions.ids(OWNER)) == 1


async def test_what_is_kept_of_a_host_that_is_listed_no_more_goes_nowhere(rig: Rig) -> None:
    await rig.keep(Device().subscription("https://push.example.com"))
    with capture_logs() as logs:
        rig.sender.take(firing())
        await rig.until("refused", 1)
    assert "no known push service" in logs[0]["reason"]


async def test_a_listed_name_that_leads_to_this_machine_is_not_connected_to(certificates: Path) -> None:
    """Rebinding at connect time: localhost stands for a push service whose name now has a private address."""
    async with push_host(certificates) as host, running(host, added="push.example.com") as rig:
        hosts = rig.sender._hosts
        hosts._allowed |= {("localhost", int(host.name.rpartition(":")[2]))}
        await rig.subscribe()
        rig.sender.take(firing())
        await rig.until("failed", 1)
        assert host.posted.empty()


async def test_a_service_with_another_root_gets_nothing(certificates: Path, tmp_path: Path) -> None:
    async with push_host(certificates) as host, push_host(tmp_path) as other:
        host.ca = other.ca
        async with running(host) as rig:
            await rig.subscribe()
            rig.sender.take(firing())
            await rig.until("failed", 1)
            assert host.posted.empty()


async def test_a_service_that_hangs_delays_those_of_no_other(certificates: Path, tmp_path: Path) -> None:
    async with push_host(certificates) as host, push_host(certificates) as hanging:
        hanging.held = asyncio.Event()
        async with running(host) as rig:
            rig.sender._hosts._added |= {("localhost", int(hanging.name.rpartition(":")[2]))}
            # Of one list entry each: a name of its own.
            for _ in range(AT_ONCE + 2):
                await rig.keep(Device().subscription(hanging.origin))
            device = await rig.subscribe(OTHER)
            rig.sender.take(firing())
            await until(lambda: hanging.at_once >= AT_ONCE)
            rig.sender.take(firing(OTHER))
            assert await rig.host.next(device, within_s=5)
            assert hanging.most_at_once == AT_ONCE
            hanging.held.set()
            await rig.until("sent", AT_ONCE + 3)


async def test_a_thousand_devices_get_theirs_a_few_at_once(rig: Rig) -> None:
    for i in range(100):
        for _ in range(2):
            await rig.subscribe(f"{i:064}")
    for i in range(100):
        rig.sender.take(firing(f"{i:064}"))
    await rig.until("sent", 200, within_s=30)
    assert rig.host.most_at_once <= AT_ONCE


async def test_more_than_can_wait_is_dropped_and_counted(certificates: Path) -> None:
    hosts, metrics = PushHosts(), Metrics()
    key = ServerKey(DictRecords(KEY_LIMITS))
    subscriptions = Subscriptions(DictRecords(SUBSCRIPTION_LIMITS), hosts, key)
    sender = PushSender(subscriptions, hosts, metrics, contact=CONTACT)
    for _ in range(MAX_FIRINGS + 3):
        sender.take(firing())
    sample = metrics.registry.get_sample_value("liqstream_push_messages_total", {"outcome": "dropped"})
    assert sample == 3


async def test_records_that_are_away_cost_that_message_alone(rig: Rig) -> None:
    device = await rig.subscribe()
    rig.records.error = OSError("away")
    rig.sender.take(firing())
    await rig.until("failed", 1)
    rig.records.error = None
    rig.sender.take(firing())
    assert await rig.host.next(device)


async def test_a_service_that_does_not_listen_is_tried_again_and_given_up(certificates: Path) -> None:
    async with push_host(certificates) as host:
        port = unused_port()
        async with running(host, added=f"localhost:{port}") as rig:
            await rig.keep(Device().subscription(f"https://localhost:{port}"))
            rig.sender.take(firing())
            await rig.until("failed", 1)
            assert rig.metrics.registry.get_sample_value("liqstream_push_retries_total") == TRIES - 1
