"""When rules raise alerts: by level, by cascade, by a stale source, and once per cooldown."""

from __future__ import annotations

import numpy as np

from liqstream.alerts.rules import Rule, RuleState
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Liquidation, Side


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


def test_a_cluster_near_and_large_enough_raises_one_alert() -> None:
    """Distance, size and side count; the cooldown is per side."""
    state = RuleState([CLUSTER])
    far = snapshot(long=[5000, 900, 0, 0, 0], short=[0, 0, 0, 0, 9000])
    assert list(state.on_snapshot(far, 0.0)) == []
    near = snapshot(long=[0, 1500, 0, 0, 0], short=[0, 0, 0, 1200, 0])
    first = [alert.text for alert in state.on_snapshot(near, 1.0)]
    assert first == [
        "BTCUSDT: 1,500 USD of longs at 99.5, -0.50 % away",
        "BTCUSDT: 1,200 USD of shorts at 100.5, +0.50 % away",
    ]
    assert list(state.on_snapshot(near, 60.0)) == []
    assert len(list(state.on_snapshot(near, 61.0))) == 2


def test_a_cascade_is_the_sum_of_its_window() -> None:
    """What is older than the window does not count; other symbols' rules do not apply."""
    rule = Rule(
        name="cascade",
        kind="cascade",
        to=["ops"],
        min_usd=100,
        window_s=10,
        message="{long_usd:.0f}+{short_usd:.0f}",
    )
    other = Rule(name="eth", kind="cascade", to=["ops"], min_usd=1, symbol="ETHUSDT")
    state = RuleState([rule, other])
    assert list(state.on_liquidation(liquidation(60), 0.0)) == []
    assert list(state.on_liquidation(liquidation(60), 10.0)) == []
    assert [alert.text for alert in state.on_liquidation(liquidation(50, "short"), 11.0)] == ["60+50"]


def test_a_stale_source_raises_an_alert() -> None:
    """Once per cooldown, while it is stale."""
    state = RuleState([Rule(name="silent", kind="stale", to=["ops"])])
    assert list(state.on_snapshot(snapshot(long=[0] * 5, short=[0] * 5), 0.0)) == []
    (alert,) = state.on_snapshot(snapshot(long=[0] * 5, short=[0] * 5, stale=True), 1.0)
    assert "stale" in alert.text
