"""When rules raise alerts: by level, by cascade, by a stale source, and once per cooldown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

from liqstream.alerts.evaluator import Alert, Evaluator
from liqstream.alerts.rules import Kind, OwnedRule, Rule
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.price_track import PriceSince
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
    state = Evaluator([OwnedRule("", CLUSTER)])
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
    state = Evaluator([OwnedRule("", rule), OwnedRule("", other)])
    assert list(state.on_liquidations([liquidation(60)], 0.0)) == []
    assert list(state.on_liquidations([liquidation(60)], 10.0)) == []
    assert [alert.text for alert in state.on_liquidations([liquidation(50, "short")], 11.0)] == ["60+50"]


def test_a_cascade_may_be_large_for_its_market() -> None:
    """By percentile of the last day's windows, beside a rule of the same window in USD."""
    ranked = of_page("cascade", min_percentile=95.0, window_s=60.0)
    state = Evaluator([ranked, OwnedRule("", Rule(name="usd", kind="cascade", to=["ops"], min_usd=1e6))])
    for minute in range(40):
        assert texts(state.on_liquidations([liquidation(200 - minute)], minute * 60.0)) == []
    assert texts(state.on_liquidations([liquidation(105)], 2400.0)) == []
    (text,) = texts(state.on_liquidations([liquidation(300)], 2430.0))
    assert text == "BTCUSDT: $405 liquidated within 1 min"


def test_a_cascade_large_for_its_market_may_still_be_too_few_usd() -> None:
    """A rule that names both takes what is as large as both."""
    both = of_page("cascade", min_percentile=95.0, min_usd=1000.0, window_s=60.0)
    state = Evaluator([both])
    for minute in range(40):
        assert texts(state.on_liquidations([liquidation(200 - minute)], minute * 60.0)) == []
    assert texts(state.on_liquidations([liquidation(999)], 2400.0)) == []
    assert len(texts(state.on_liquidations([liquidation(1)], 2401.0))) == 1


def test_a_stale_source_raises_an_alert() -> None:
    """Once per cooldown, while it is stale."""
    state = Evaluator([OwnedRule("", Rule(name="silent", kind="stale", to=["ops"]))])
    assert list(state.on_snapshot(snapshot(long=[0] * 5, short=[0] * 5), 0.0)) == []
    (alert,) = state.on_snapshot(snapshot(long=[0] * 5, short=[0] * 5, stale=True), 1.0)
    assert "stale" in alert.text


def of_page(kind: Kind, **given: Any) -> OwnedRule:
    return OwnedRule("a" * 64, Rule(name="r", kind=kind, to=[], **{"cooldown_s": 60.0, **given}))


def at(price: float, *, long: list[int], short: list[int]) -> HeatmapSnapshot:
    return replace(snapshot(long=long, short=short), current_price=price)


def texts(alerts: Iterator[Alert]) -> list[str]:
    return [alert.text for alert in alerts]


EMPTY = [0] * 5


def test_a_swept_cluster_is_named_with_what_stood_before_the_price_came() -> None:
    """Also where it was eaten in steps; a cluster that fades without the price is not swept."""
    state = Evaluator([of_page("sweep", min_usd=1000, symbol="BTCUSDT")])
    assert texts(state.on_snapshot(at(100.0, long=[1500, 0, 0, 0, 0], short=[0, 0, 0, 0, 9000]), 0.0)) == []
    assert texts(state.on_snapshot(at(99.5, long=[1500, 0, 0, 0, 0], short=EMPTY), 1.0)) == []
    assert texts(state.on_snapshot(at(99.0, long=[900, 0, 0, 0, 0], short=EMPTY), 2.0)) == []
    swept = texts(state.on_snapshot(at(98.9, long=EMPTY, short=EMPTY), 3.0))
    assert swept == ["BTCUSDT: $1.50K of longs at 99 taken"]
    assert texts(state.on_snapshot(at(98.0, long=EMPTY, short=EMPTY), 100.0)) == []


def test_a_wick_sweeps_what_it_passed() -> None:
    """The price is back before the next look, and the levels are gone."""
    price_rule = of_page("price", price=99.2, symbol="BTCUSDT")
    state = Evaluator([of_page("sweep"), OwnedRule("b" * 64, price_rule.rule)])
    list(state.on_snapshot(at(100.0, long=[1500, 0, 0, 0, 0], short=EMPTY), 0.0))
    wick = PriceSince(1, 100.0, 98.5, 100.0, is_moved=True)
    assert texts(state.on_snapshot(at(100.0, long=EMPTY, short=EMPTY), 1.0, wick)) == [
        "BTCUSDT: $1.50K of longs at 99 taken",
        "BTCUSDT: crossed 99.2 downwards",
    ]


def test_a_cluster_is_new_once_and_not_at_the_first_look() -> None:
    """One that grows past a rule's size is new to that rule."""
    state = Evaluator([of_page("new_cluster", min_usd=1000, within_percent=100.0)])
    assert texts(state.on_snapshot(at(100.0, long=[2000, 0, 0, 0, 0], short=EMPTY), 0.0)) == []
    assert texts(state.on_snapshot(at(100.0, long=[2000, 0, 0, 0, 0], short=[0, 0, 0, 900, 0]), 1.0)) == []
    grown = at(100.0, long=[2000, 0, 0, 0, 0], short=[0, 0, 0, 1200, 0])
    (text,) = texts(state.on_snapshot(grown, 2.0))
    assert text == "BTCUSDT: new, $1.20K of shorts at 100.5, +0.50 % away"
    later = at(100.0, long=[2000, 0, 0, 0, 0], short=[0, 0, 0, 1300, 0])
    assert [texts(state.on_snapshot(later, now_s)) for now_s in range(3, 300, 60)] == [[]] * 5


def test_a_percentile_is_among_the_clusters_of_the_market() -> None:
    """The larger of two is at least as large as 100 %, the smaller as 50 %."""
    market = at(100.0, long=[5000, 0, 0, 0, 0], short=[0, 0, 0, 0, 2000])
    for percentile, sides in ((100.0, ["long"]), (51.0, ["long"]), (50.0, ["long", "short"])):
        state = Evaluator([of_page("cluster", min_percentile=percentile, within_percent=5.0)])
        assert [alert.facts["side"] for alert in state.on_snapshot(market, 0.0)] == sides, percentile


def test_a_price_rule_is_raised_when_the_price_crosses_it() -> None:
    """In either direction, once per cooldown, and not by a price that was there already."""
    state = Evaluator([of_page("price", price=101.0, symbol="BTCUSDT")])
    prices = ((101.0, 0.0), (100.0, 1.0), (102.0, 2.0), (100.0, 3.0), (100.5, 70.0), (101.0, 71.0))
    found = [texts(state.on_snapshot(at(usd, long=EMPTY, short=EMPTY), now_s)) for usd, now_s in prices]
    assert found == [[], [], ["BTCUSDT: crossed 101 upwards"], [], [], ["BTCUSDT: crossed 101 upwards"]]


def test_rules_come_and_go_and_keep_their_cooldown() -> None:
    """A rule put again as it was is still quiet; a changed one is raised anew; a removed one never."""
    state = Evaluator([of_page("cluster", within_percent=5.0)])
    market = at(100.0, long=[5000, 0, 0, 0, 0], short=EMPTY)
    assert len(texts(state.on_snapshot(market, 0.0))) == 1
    state.rules.put(OwnedRule("b" * 64, of_page("cluster", within_percent=5.0).rule))
    state.rules.put(of_page("cluster", within_percent=5.0))
    assert [alert.owned.owner[0] for alert in state.on_snapshot(market, 1.0)] == ["b"]
    state.rules.put(of_page("cluster", within_percent=6.0))
    assert [alert.owned.owner[0] for alert in state.on_snapshot(market, 2.0)] == ["a"]
    state.rules.put(of_page("sweep"))
    state.rules.remove(("b" * 64, "r"))
    assert texts(state.on_snapshot(market, 100.0)) == []
    assert (len(state.rules), state.rules.watches("ETHUSDT", ("sweep",))) == (1, True)


def steps_of(state: Evaluator, markets: list[HeatmapSnapshot]) -> int:
    """How many lines of Python the looks take: a count, which no busy machine changes."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    for look in range(2):
        for market in markets:
            sys.settrace(trace if look else None)
            list(state.on_snapshot(market, float(look)))
            list(state.on_liquidations([liquidation(5e5)] * 10, float(look)))
            sys.settrace(None)
    return count


def test_what_a_look_costs_hardly_grows_with_the_rules() -> None:
    """Five thousand rules in their cooldown cost less than twice the steps of five."""
    kinds: list[Kind] = ["cluster", "cascade", "price", "sweep", "new_cluster"]
    market = at(100.0, long=[5000, 0, 900, 0, 0], short=[0, 0, 0, 0, 2000])

    def rules(count: int) -> Iterator[OwnedRule]:
        for number in range(count):
            kind = kinds[number % 5]
            given: dict[str, Any] = {"price": 100.0 + number, "symbol": "BTCUSDT"} if kind == "price" else {}
            rule = Rule(name=f"{number}", kind=kind, to=[], within_percent=9.0, **given)
            yield OwnedRule(f"{number // 20:064x}", rule)

    few, many = (steps_of(Evaluator(rules(count)), [market]) for count in (5, 5000))
    assert many < 2 * few
