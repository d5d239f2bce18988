"""Alerts: raised by the rules, sent in each target's own words, tried again, once per cooldown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from liqstream.alerts.config import BadAlertsError, read_alerts
from liqstream.alerts.rules import Alert, Rule, Watch
from liqstream.alerts.sending import MAX_WAITING, TRIES, Sender
from liqstream.alerts.targets import Target
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.heatmap.wire_state import Grid
from liqstream.market import Liquidation, Side
from liqstream.metrics import Metrics
from tests.doc_blocks import blocks

TARGET = '[[target]]\nname="a"\nkind="webhook"\nurl="http://x"\n'


def snapshot(*, long: list[int], short: list[int], stale: bool = False) -> HeatmapSnapshot:
    return HeatmapSnapshot(
        symbol="BTCUSDT",
        timestamp_ms=1_780_000_000_000,
        epoch=1,
        seq=1,
        grid=Grid(99.0, 0.5, 5),
        long=np.array(long),
        short=np.array(short),
        current_price=100.0,
        positions_created=0,
        positions_consumed=0,
        stale=stale,
        source="live",
    )


def liquidation(usd: float, side: Side = "long") -> Liquidation:
    return Liquidation("binance", "BTCUSDT", 1_780_000_000_000, side, 1.0, usd)


CLUSTER = Rule(name="near", kind="cluster", to=["ops"], min_usd=1000, within_percent=0.6, cooldown_s=60)


def test_a_cluster_near_and_large_enough_is_told_once() -> None:
    """Distance, size and side count; the cooldown is per side."""
    watch = Watch([CLUSTER])
    far = snapshot(long=[5000, 900, 0, 0, 0], short=[0, 0, 0, 0, 9000])
    assert list(watch.see_map(far, 0.0)) == []
    near = snapshot(long=[0, 1500, 0, 0, 0], short=[0, 0, 0, 1200, 0])
    first = [alert.text for alert in watch.see_map(near, 1.0)]
    assert first == [
        "BTCUSDT: 1,500 USD of longs at 99.5, -0.50 % away",
        "BTCUSDT: 1,200 USD of shorts at 100.5, +0.50 % away",
    ]
    assert list(watch.see_map(near, 60.0)) == []
    assert len(list(watch.see_map(near, 61.0))) == 2


def test_a_cascade_is_the_sum_of_its_window() -> None:
    """What is older than the window does not count; other symbols' rules are not asked."""
    rule = Rule(
        name="cascade",
        kind="cascade",
        to=["ops"],
        min_usd=100,
        window_s=10,
        message="{long_usd:.0f}+{short_usd:.0f}",
    )
    other = Rule(name="eth", kind="cascade", to=["ops"], min_usd=1, symbol="ETHUSDT")
    watch = Watch([rule, other])
    assert list(watch.see_liquidation(liquidation(60), 0.0)) == []
    assert list(watch.see_liquidation(liquidation(60), 10.0)) == []
    assert [alert.text for alert in watch.see_liquidation(liquidation(50, "short"), 11.0)] == ["60+50"]


def test_a_silent_source_is_told() -> None:
    """Once per cooldown, while it is stale."""
    watch = Watch([Rule(name="silent", kind="stale", to=["ops"])])
    assert list(watch.see_map(snapshot(long=[0] * 5, short=[0] * 5), 0.0)) == []
    (alert,) = watch.see_map(snapshot(long=[0] * 5, short=[0] * 5, stale=True), 1.0)
    assert "stale" in alert.text


@asynccontextmanager
async def receiver(statuses: list[int]) -> AsyncIterator[tuple[str, asyncio.Queue[tuple[str, Any]]]]:
    """A local receiver that answers with these statuses, then with 200, and queues (path, body)."""
    heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        heard.put_nowait((request.path, await request.json()))
        return web.Response(status=statuses.pop(0) if statuses else 200)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/"), heard


def counted(metrics: Metrics, what: str) -> float:
    return metrics.registry.get_sample_value(f"alerts_{what}_total", {"target": "webhook"}) or 0


def alert_to(*names: str) -> Alert:
    rule = Rule(name="near", kind="cluster", to=list(names))
    return Alert(rule, "BTCUSDT", "1,500 USD at 99.5", {"symbol": "BTCUSDT", "usd": 1500.0})


async def test_each_target_is_told_in_its_own_words() -> None:
    """Webhook, Telegram and Discord; data that is not live is named; Discord pings nobody."""
    async with receiver([]) as (url, heard):
        targets = [
            Target(name="ops", kind="webhook", url=f"{url}/hook"),
            Target(name="phone", kind="telegram", url=url, token="1:A", chat_id="7"),
            Target(name="desk", kind="discord", url=f"{url}/discord"),
        ]
        sender = Sender(targets, Metrics())
        running = asyncio.create_task(sender.run())
        sender.send(alert_to("ops", "phone", "desk"), "simulated")
        bodies = dict([await heard.get() for _ in targets])
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
    async with receiver(list(statuses)) as (url, heard):
        webhook = Target(name="ops", kind="webhook", url=url)
        targets = [webhook, Target(name="end", kind="discord", url=f"{url}/end")]
        sender = Sender(targets, metrics, first_wait_s=0.0)
        running = asyncio.create_task(sender.run())
        sender.send(alert_to("ops"), "live")
        for _ in range(tries):
            assert (await heard.get())[0] == "/"
        statuses.clear()
        sender.send(alert_to("end"), "live")
        assert (await heard.get())[0] == "/end"
        running.cancel()
    assert (counted(metrics, "sent"), counted(metrics, "failed")) == (delivered, 1 - delivered)


async def test_a_storm_of_alerts_is_bounded() -> None:
    """What does not fit is counted as not delivered; the caller never waits."""
    metrics = Metrics()
    sender = Sender([Target(name="ops", kind="webhook", url="http://127.0.0.1:9")], metrics)
    for _ in range(MAX_WAITING + 5):
        sender.send(alert_to("ops"), "live")
    assert counted(metrics, "failed") == 5


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    """docs/alerts.md's example is valid."""
    (example,) = blocks("docs/alerts.md", "toml")
    path = tmp_path / "alerts.toml"
    path.write_text(example.text)
    config = read_alerts(path)
    assert [rule.kind for rule in config.rule] == ["cluster", "cascade", "stale"]
    assert [target.kind for target in config.target] == ["webhook", "telegram", "discord"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it has no rule"),
        ("[[rule]", "alerts.toml: "),
        ('[[rule]]\nname="x"\nkind="flood"\nto=["a"]', "Invalid enum value"),
        ('[[rule]]\nname="x"\nkind="stale"\nto=["a"]', "rule 'x': no target named 'a'"),
        ('[[rule]]\nname="x"\nkind="stale"\nto=[]', "no target named at all"),
        ('[[target]]\nname="a"\nkind="telegram"\n[[rule]]\nname="x"\nkind="stale"\nto=["a"]', "needs token"),
        (
            f'{TARGET}[[rule]]\nname="x"\nkind="stale"\nto=["a"]\nmessage="{{usd}}"',
            "it may name symbol",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text: str, sentence: str, tmp_path: Path) -> None:
    """It names the file and what is wrong."""
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    with pytest.raises(BadAlertsError, match=r"alerts\.toml") as refused:
        read_alerts(path)
    assert sentence in str(refused.value)
    with pytest.raises(BadAlertsError, match="cannot read the alerts file"):
        read_alerts(tmp_path / "none.toml")
