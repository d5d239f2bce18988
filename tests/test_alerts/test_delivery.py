"""Alerts are delivered, tried again, given up, dropped: each is counted."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.alerts.delivery import MAX_WAITING, RESPONSE_TIMEOUT_S, TRIES, Sender
from liqstream.alerts.targets import Target, signature
from liqstream.metrics import Metrics
from liqstream.supervision.timing import Timing
from tests.test_alerts.receiver import TIME_MS, alert_to, counted, receiver


async def test_each_target_gets_its_own_format() -> None:
    """Webhook, Telegram and Discord; data that is not live is named; Discord pings nobody."""
    async with receiver([]) as (url, received):
        targets = [
            Target(name="ops", kind="webhook", url=f"{url}/hook"),
            Target(name="phone", kind="telegram", url=url, token="1:A", chat_id="7"),
            Target(name="desk", kind="discord", url=f"{url}/discord"),
        ]
        sender = Sender(targets, Metrics())
        running = asyncio.create_task(sender.run())
        sender.take(alert_to("ops", "phone", "desk", source="simulated"))
        bodies = dict([await received.get() for _ in targets])
        running.cancel()
    assert bodies["/hook"]["message"] == "[SIMULATED] 1,500 USD at 99.5"
    assert bodies["/hook"]["facts"] == {"symbol": "BTCUSDT", "usd": 1500.0}
    assert bodies["/bot1:A/sendMessage"] == {"chat_id": "7", "text": "[SIMULATED] 1,500 USD at 99.5"}
    assert bodies["/discord"]["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    ("statuses", "tries", "delivered"), [([500, 429], 3, 1), ([404], 1, 0), ([503] * 9, TRIES, 0)]
)
async def test_a_target_that_fails_is_tried_again(statuses: list[int], tries: int, delivered: int) -> None:
    """A server's fault is waited out, a refusal is not; both are counted."""
    metrics = Metrics()
    async with receiver(list(statuses)) as (url, received):
        webhook = Target(name="ops", kind="webhook", url=url)
        targets = [webhook, Target(name="end", kind="discord", url=f"{url}/end")]
        sender = Sender(targets, metrics, first_wait_s=0.0)
        running = asyncio.create_task(sender.run())
        sender.take(alert_to("ops"))
        for _ in range(tries):
            assert (await received.get())[0] == "/"
        statuses.clear()
        sender.take(alert_to("end"))
        assert (await received.get())[0] == "/end"
        running.cancel()
    assert (counted(metrics, "sent"), counted(metrics, "failed")) == (delivered, 1 - delivered)


async def test_a_target_that_is_busy_is_left_alone_for_as_long_as_it_asks() -> None:
    """Telegram and Discord state it with a 429; each earlier try is one more of theirs that is refused."""
    async with receiver([429], retry_after="0.2") as (url, received):
        sender = Sender([Target(name="ops", kind="webhook", url=url)], Metrics(), first_wait_s=0.0)
        running = asyncio.create_task(sender.run())
        sender.take(alert_to("ops"))
        await received.get()
        began_s = time.monotonic()
        await received.get()
        assert time.monotonic() - began_s >= 0.2
        running.cancel()


async def test_of_servers_with_one_file_one_sends() -> None:
    """To each target whoever claims it first; the claim ends before the rule may be raised again."""
    claimed: dict[tuple[str, ...], int] = {}

    async def claim(what: tuple[str, ...], for_ms: int) -> bool:
        is_first = what not in claimed
        claimed.setdefault(what, for_ms)
        return is_first

    async with receiver([]) as (url, received):
        targets = [Target(name=name, kind="webhook", url=f"{url}/{name}") for name in ("ops", "desk")]
        timing = Timing(now_ms=lambda: TIME_MS + 500)
        senders = [Sender(targets, Metrics(), claim=claim, timing=timing) for _ in range(2)]
        running = [asyncio.create_task(sender.run()) for sender in senders]
        of_longs = replace(alert_to("ops", "desk", side="long"), cooldown_s=60.0)
        for sender in senders:
            sender.take(of_longs)
        assert {(await received.get())[0] for _ in range(2)} == {"/ops", "/desk"}
        for sender in senders:
            sender.take(replace(alert_to("ops", side="short"), cooldown_s=60.0))
        assert (await received.get())[1]["facts"]["side"] == "short"
        senders[1].take(replace(of_longs, digest="of the rule with another figure"))
        assert (await received.get())[1]["facts"]["side"] == "long", "what was changed begins anew"
        senders[1].take(of_longs)
        senders[1].take(replace(alert_to("ops", side="long"), cooldown_s=0.4))
        assert (await received.get())[1]["facts"]["side"] == "long"  # its cooldown is over: nothing to claim
        assert received.empty()
        for task in running:
            task.cancel()
    assert {what[-1] for what in claimed} == {"long", "short"}
    assert set(claimed.values()) == {60_000 - 1000 - 500}


async def test_the_queue_is_bounded() -> None:
    """What does not fit is counted as not delivered; the caller never waits. A target named twice is one."""
    metrics = Metrics()
    sender = Sender([Target(name="ops", kind="webhook", url="http://127.0.0.1:9")], metrics)
    for _ in range(MAX_WAITING + 5):
        sender.take(alert_to("ops", "ops"))
    assert counted(metrics, "failed") == 5


async def test_a_target_that_hangs_delays_no_other() -> None:
    """It takes the connection and never answers; the other one has its alert meanwhile, and the next."""
    held = asyncio.Event()

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    hanging = await asyncio.start_server(take, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    metrics = Metrics()
    async with receiver([]) as (url, received):
        targets = [
            Target(name="slow", kind="discord", url=f"http://127.0.0.1:{port}"),
            Target(name="ops", kind="webhook", url=url),
        ]
        sender = Sender(targets, metrics)
        running = asyncio.create_task(sender.run())
        began_s = time.monotonic()
        for _ in range(2):
            sender.take(alert_to("slow", "ops"))
        for _ in range(2):
            assert (await received.get())[0] == "/"
        # Sooner than a request to the other is given up: it waited for none.
        assert time.monotonic() - began_s < RESPONSE_TIMEOUT_S
        running.cancel()
        await asyncio.wait([running])
    held.set()
    hanging.close()
    failed = metrics.registry.get_sample_value("liqstream_alerts_failed_total", {"target": "discord"})
    assert not failed


async def test_whatever_fails_concerns_its_target_alone() -> None:
    """An error nobody thought of is counted, and the target's next alert is sent."""
    metrics = Metrics()
    async with receiver([]) as (url, received):
        sender = Sender([Target(name="ops", kind="webhook", url=url)], metrics)
        running = asyncio.create_task(sender.run())
        sender.take(alert_to("ops", usd=object()))  # no JSON can hold it
        sender.take(alert_to("ops"))
        assert (await received.get())[0] == "/"
        running.cancel()
        await asyncio.wait([running])
    assert counted(metrics, "failed") == 1


async def test_a_signature_comes_with_the_bytes_it_is_of() -> None:
    """As the receiver sees header and body."""
    got: asyncio.Queue[tuple[str, bytes, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        header = request.headers.get("X-Liqstream-Signature", "")
        got.put_nowait((header, await request.read(), request.content_type))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    async with TestServer(app) as server:
        target = Target(name="ops", kind="webhook", url=str(server.make_url("/")), secret="s")
        sender = Sender([target], Metrics())
        running = asyncio.create_task(sender.run())
        sender.take(alert_to("ops"))
        header, body, content_type = await got.get()
        running.cancel()
        await asyncio.wait([running])
    assert (header, content_type) == (signature("s", body), "application/json")


async def test_a_cancellation_from_within_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that raises it is a failed delivery; the target's next alert comes."""
    metrics, refusing = Metrics(), [True]
    real = Target.request

    def request(target: Target, *arguments: Any, **named: Any) -> Any:
        if refusing.pop() if refusing else False:
            raise asyncio.CancelledError
        return real(target, *arguments, **named)

    monkeypatch.setattr(Target, "request", request)
    async with receiver([]) as (url, received), asyncio.timeout(20):
        sender = Sender([Target(name="ops", kind="webhook", url=url)], metrics)
        running = asyncio.create_task(sender.run())
        sender.take(alert_to("ops"))
        sender.take(alert_to("ops"))
        await received.get()
        running.cancel()
        await asyncio.wait([running])
    assert counted(metrics, "failed") == 1
    assert running.cancelled()
