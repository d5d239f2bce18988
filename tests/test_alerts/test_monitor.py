"""The monitor on real maps and liquidations: what it raises is delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from liqstream.alerts.delivery import Sender
from liqstream.alerts.evaluator import Evaluator
from liqstream.alerts.firing import Firing, Firings
from liqstream.alerts.monitor import AlertMonitor
from liqstream.alerts.rules import OwnedRule, Rule
from liqstream.alerts.targets import Target
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.ingest.liquidation_bus import LiquidationBus
from liqstream.market import Liquidation
from liqstream.metrics import Metrics
from liqstream.store.market_store import MarketStore
from tests.support.fleet import END_MS, SYMBOL, make_maps
from tests.test_alerts.receiver import receiver

RULES = [
    Rule(name="level", kind="cluster", to=["ops"], symbol=SYMBOL, min_usd=1, within_percent=50),
    Rule(name="cascade", kind="cascade", to=["ops"], symbol=SYMBOL, min_usd=100),
]


def sent_by(sender: Sender) -> Firings:
    firings = Firings()
    firings.add_sink("sending", sender.take)
    return firings


async def test_maps_and_liquidations_raise_alerts(tmp_path: Path) -> None:
    """Each by its rule, named by the source of its data."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    maps, bus = await make_maps(store), LiquidationBus()
    async with receiver([]) as (url, received), asyncio.timeout(20):
        target = Target(name="ops", kind="webhook", url=url)
        monitor = AlertMonitor(
            Evaluator(OwnedRule("", rule) for rule in RULES),
            sent_by(sender := Sender([target], Metrics())),
            maps=maps,
            liquidations=bus,
            symbols=[SYMBOL],
        )
        running = [asyncio.create_task(loop()) for loop in (*monitor.loops().values(), sender.run)]
        bodies = [(await received.get())[1] for _ in range(2)]
        assert {body["rule"] for body in bodies} == {"level"}, "a level of each side"
        bus.take([Liquidation("binance", SYMBOL, END_MS, "long", 100.0, 2.0)])
        body = (await received.get())[1]
        assert (body["rule"], body["facts"]["long_usd"]) == ("cascade", 200.0)
        assert body["message"].startswith("[REPLAY]")
        for loop in running:
            loop.cancel()
        await asyncio.wait(running)
    maps.close()
    await store.close()


async def test_what_becomes_known_late_is_no_cascade(tmp_path: Path) -> None:
    """As what an exchange's second source has released after hours, or an account's fills have shown."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    maps, bus, firings = await make_maps(store), LiquidationBus(), Firings()
    maps.set_source("binance", "live")
    raised: asyncio.Queue[Firing] = asyncio.Queue()
    firings.add_sink("raised", raised.put_nowait)
    rules = [OwnedRule("", RULES[1])]
    monitor = AlertMonitor(Evaluator(rules), firings, maps=maps, liquidations=bus, symbols=[SYMBOL])
    running = [asyncio.create_task(loop()) for loop in monitor.loops().values()]
    await asyncio.sleep(0)  # they listen from now on
    past = [Liquidation("binance", SYMBOL, END_MS - age * 1000, "long", 100.0, 9.0) for age in (86_400, 61)]
    bus.take([*past, Liquidation("binance", SYMBOL, END_MS - 59_000, "short", 100.0, 2.0)])
    async with asyncio.timeout(10):
        firing = await raised.get()
    assert (firing.facts["long_usd"], firing.facts["short_usd"]) == (0.0, 200.0)
    for loop in running:
        loop.cancel()
    await asyncio.wait(running)
    maps.close()
    await store.close()


OF_OTHER = Rule(name="other", kind="cluster", to=["ops"], symbol="ETHUSDT")


class BrokenRule(Rule, frozen=True):
    """One whose message cannot be made, as of a template that passed the check and fails on real facts."""

    def text(self, facts: Mapping[str, object]) -> str:
        raise ZeroDivisionError(str(facts["symbol"]))


async def test_a_rule_or_a_symbol_that_fails_stops_no_other(tmp_path: Path) -> None:
    """The rule before it, of the same kind, goes on; each failure is reported by its name, not only once."""
    store = await MarketStore.open(tmp_path / "x.duckdb")
    maps, bus = await make_maps(store), LiquidationBus()
    failed: dict[str, list[str]] = {}
    rules = [BrokenRule(f"bad-{rule.name}", rule.kind, rule.to, SYMBOL, within_percent=50) for rule in RULES]
    real = maps.get_latest_heatmap_snapshot

    async def latest(symbol: str) -> HeatmapSnapshot | None:
        if symbol == "ETHUSDT":
            raise OSError("no such map")
        return await real(symbol)

    maps.get_latest_heatmap_snapshot = latest  # type: ignore[method-assign]
    async with receiver([]) as (url, received), asyncio.timeout(20):
        monitor = AlertMonitor(
            Evaluator(OwnedRule("", rule) for rule in (*rules, *RULES, OF_OTHER)),
            sent_by(sender := Sender([Target(name="ops", kind="webhook", url=url)], Metrics())),
            maps=maps,
            liquidations=bus,
            symbols=["ETHUSDT", SYMBOL],
            on_failure=lambda name, error: failed.setdefault(name, []).append(repr(error)),
        )
        running = [asyncio.create_task(loop()) for loop in (*monitor.loops().values(), sender.run)]
        assert {(await received.get())[1]["rule"] for _ in range(2)} == {"level"}
        while len(failed.get("alert-rule-bad-cascade", ())) < 2:
            bus.take([Liquidation("binance", SYMBOL, END_MS, "long", 100.0, 2.0)])
            await asyncio.sleep(0)
        assert (await received.get())[1]["rule"] == "cascade"
        assert not any(loop.done() for loop in running)
        for loop in running:
            loop.cancel()
        await asyncio.wait(running)
    assert failed["alerts-maps"][0] == "OSError('no such map')"
    assert set(failed["alert-rule-bad-level"]) == {f"ZeroDivisionError('{SYMBOL}')"}
    assert len(failed["alert-rule-bad-cascade"]) >= 2, "a failure begins no cooldown"
    maps.close()
    await store.close()
