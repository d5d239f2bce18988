"""liqstream/evaluation/measured_stored.py: positions of the store, look by look, against the market's map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqstream.cli.console import make_console
from liqstream.cli.measured_tables import show_measured
from liqstream.evaluation.measured_figures import rank
from liqstream.evaluation.measured_looks import LONG, MAP, ROWS, SHORT, estimates_at, is_judged
from liqstream.evaluation.measured_stored import EXCHANGE, score_measured_stored, stored_looks
from liqstream.evaluation.scoring_data import ScoreError
from liqstream.market import DAY_MS, HOUR_MS, MINUTE_MS, Bars, Candle, OpenInterest
from liqstream.model.kernel import tiered
from liqstream.simulator.market import SimulatedMarket
from liqstream.store.market_store import MarketStore
from liqstream.store.positions import PositionColumns, PositionsBatch, StoredCoverage, StoredPosition
from tests.support.measured_days import measured_days
from tests.support.realised import aligned_bars
from tests.test_evaluation.test_known_positions import NOON_MS, agreement, bars_so_far, maps, true_map

SYMBOL = "BTCUSDT"


def coverage_at(time_ms: int, share: float = 1.0) -> StoredCoverage:
    return StoredCoverage(SYMBOL, time_ms, share, share, share, share, 1000.0, 1000.0, 50)


def events_of(bars: Bars) -> list[Any]:
    """The bars as an exchange tells them, with open interest at each close."""
    events: list[Any] = []
    for row, time_ms in enumerate(bars.open_time_ms.tolist()):
        open_, high, low, close = (
            float(column[row]) for column in (bars.open, bars.high, bars.low, bars.close)
        )
        events.append(Candle(EXCHANGE, SYMBOL, bars.interval_ms, time_ms, open_, high, low, close))
        held = float(bars.open_interest_base[row])
        events.append(OpenInterest(EXCHANGE, SYMBOL, time_ms + bars.interval_ms, held, held))
    return events


def test_positions_stand_as_they_did_at_each_look() -> None:
    """The newest state of each account before the look; closed ones, ones without level, gaps are not."""
    bars = aligned_bars(2)
    end = int(bars.open_time_ms[-1]) + bars.interval_ms
    first, second = end - HOUR_MS, end
    states = PositionColumns(
        np.array([first - 3000, first - 2000, first - 1000, first, first + 1000, first + 2000]),
        np.array([1, 2, 3, 1, 2, 4]),
        np.array([2.0, -1.0, 5.0, 3.0, 0.0, 1.0]),
        np.array([100.0, 200.0, np.nan, 110.0, np.nan, 90.0]),
    )
    covered = [coverage_at(first - MINUTE_MS, 0.4), coverage_at(second, 0.3)]
    looks = stored_looks(bars, states, covered, from_ms=first - HOUR_MS)
    assert [look.time_ms for look in looks] == [first, second]
    assert [look.coverage for look in looks] == [(0.4, 0.4), (0.3, 0.3)]
    assert [look.level.tolist() for look in looks] == [[100.0, 200.0], [110.0, 90.0]]
    assert [look.usd.tolist() for look in looks] == [[200.0, 200.0], [330.0, 90.0]]
    assert [look.is_long.tolist() for look in looks] == [[True, False], [True, True]]
    assert looks[1].mark == bars.close[-1]


async def test_where_every_position_is_known_the_rank_is_that_of_the_truth(tmp_path: Path) -> None:
    """At coverage 1 the rank correlation through the store is that of map and truth, within .02."""
    market = SimulatedMarket((SYMBOL,), now_ms=NOON_MS, seed=1, history_days=2)
    bars = bars_so_far(market, NOON_MS)
    positions = [
        StoredPosition(
            SYMBOL,
            f"0x{number:040x}",
            NOON_MS - 2000,
            (1 if level.side == "long" else -1) * level.notional_usd / level.price,
            level.price,
            level.price,
            None,
            isolated=True,
        )
        for number, level in enumerate(market.standing(SYMBOL, NOON_MS))
    ]
    store = await MarketStore.open(tmp_path / "market.duckdb")
    await store.append(events_of(bars))
    await store.append_positions(PositionsBatch((), positions, (), [coverage_at(NOON_MS - 1000)]))
    content = await score_measured_stored(store, SYMBOL, tiered())
    await store.close()
    expected = agreement(
        maps(bars, tiered())["model"], true_map(market, NOON_MS, float(np.log(bars.close[-1])))
    )
    assert content["looks"] == 1
    assert (content["exchange"], content["kernel"], content["against"]) == (EXCHANGE, "tiered", "measured")
    assert content["mean"]["rank"] == pytest.approx(expected, abs=0.02)
    assert expected > 0.2
    # The null: the same positions against a map of shuffled cells.
    assert abs(content["mean"]["baselines"]["permuted"]["rank"]) < 0.2


@pytest.mark.shared_data
async def test_the_published_days_are_settling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two days of real positions of both sides: the looks that pass the gate are counted, nothing claimed."""
    looks = measured_days("BTC")
    start = looks[0].time_ms // DAY_MS * DAY_MS - DAY_MS
    times = np.arange(start, looks[-1].time_ms + 30 * MINUTE_MS, 30 * MINUTE_MS)
    close = np.interp(times + 30 * MINUTE_MS, [look.time_ms for look in looks], [look.mark for look in looks])
    held = np.full(len(times), looks[0].open_interest_usd / looks[0].mark)
    bars = Bars(1_800_000, times, close, close, close, close, held, held, held, held * np.nan)
    positions: list[StoredPosition] = []
    coverage: list[StoredCoverage] = []
    standing: set[str] = set()
    for look in looks:
        share = look.tracked_usd / (2 * look.open_interest_usd)
        coverage.append(coverage_at(look.time_ms, share))
        sizes = np.where(look.is_long, 1, -1) * look.position_usd / look.mark
        now = {f"0x{account:040x}{side}" for account, side in look.keys()}  # noqa: SIM118  its own
        positions += [
            StoredPosition(SYMBOL, who, look.time_ms, 0.0, None, None, None, isolated=False)
            for who in standing - now
        ]
        positions += [
            StoredPosition(
                SYMBOL, f"0x{who:040x}{side}", look.time_ms, size, level, level, None, isolated=False
            )
            for (who, side), size, level in zip(look.keys(), sizes.tolist(), look.level.tolist(), strict=True)
        ]
        standing = now
    store = await MarketStore.open(tmp_path / "market.duckdb")
    await store.append(events_of(bars))
    await store.append_positions(PositionsBatch((), positions, (), coverage))
    content = await score_measured_stored(store, SYMBOL, tiered())
    await store.close()
    judged = [is_judged(each, side) for each in direct_looks(bars, positions, coverage) for side in (0, 1)]
    assert content["looks"] == len(judged) // 2
    assert sum(content["judged"].values()) == sum(judged) > 80
    assert content["judged"]["short"] == content["looks"]
    assert content["verdict"].startswith("settling")
    show_measured(make_console(pipe_width=150), content)
    printed = capsys.readouterr().out
    assert f"judged {content['judged']['long']} of longs, {content['looks']} of shorts" in printed
    assert "settling: " in printed


def direct_looks(bars: Bars, positions: list[StoredPosition], coverage: list[StoredCoverage]) -> list[Any]:
    """The looks without the store between."""
    numbers = {who: number for number, who in enumerate(sorted({each.address for each in positions}))}
    states = PositionColumns(
        np.array([each.read_ms for each in positions]),
        np.array([numbers[each.address] for each in positions]),
        np.array([each.size_base for each in positions]),
        np.array(
            [np.nan if each.liquidation_price is None else each.liquidation_price for each in positions]
        ),
    )
    return stored_looks(bars, states, coverage, from_ms=int(bars.open_time_ms[0]) + DAY_MS)


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """No bars of that market; no positions."""
    store = await MarketStore.open(tmp_path / "market.duckdb")
    with pytest.raises(ScoreError, match="no bars of BTCUSDT on hyperliquid"):
        await score_measured_stored(store, SYMBOL, tiered())
    await store.append(events_of(aligned_bars(2)))
    with pytest.raises(ScoreError, match="serve --positions"):
        await score_measured_stored(store, SYMBOL, tiered())
    await store.close()


def test_the_rank_is_the_judges_own() -> None:
    """Both correlations are the same figure, on any shares."""
    bars = aligned_bars(2)
    end = int(bars.open_time_ms[-1]) + bars.interval_ms
    shares = estimates_at(bars, tiered(), {end})[end]
    own, other = shares[ROWS.index(MAP)], shares[ROWS.index("B3")]
    expected = agreement((own[LONG], own[SHORT]), (other[LONG], other[SHORT]))
    assert float(rank(own, other).mean()) == pytest.approx(expected)
