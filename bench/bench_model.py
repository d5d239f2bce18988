"""How fast the model is: a bar, two weeks, a year, a history, and thirty live markets.

Prints a line per figure with what it must stay under; exits with 1 when one does not. CPU time of this
process, best of a few runs, so that a busy machine does not fail it. Run it with `make bench`.
"""

from __future__ import annotations

import gzip
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from bench.forecast_cost import ForecastCost
from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.history_track import Track
from liqstream.heatmap.price_grid import follow_grid, grid_over, group_cells_usd, quantised_levels
from liqstream.heatmap.warmup import Warmup
from liqstream.market import DAY_MS, Bars
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import tiered
from liqstream.wire.history_codec import encode_history

BAR_MS = 300_000
TWO_WEEKS = 4_032
YEAR = 105_000
WEEK = 2_016
MARKETS = 30
RUNS = 5


def market(bars: int, seed: int = 1) -> Bars:
    """A random walk of 2.5 % a day with wandering open interest, in bars of five minutes."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.025 / np.sqrt(288 * 12), (bars, 12))
    path = np.log(80_000) + np.concatenate((np.zeros((bars, 1)), steps.cumsum(axis=1)), axis=1)
    path += np.concatenate(([0.0], steps.sum(axis=1).cumsum()[:-1]))[:, None]
    prices = np.exp(path)
    interest = 90_000 * np.exp(rng.normal(0, 0.001, bars).cumsum())
    return Bars(
        BAR_MS,
        1_780_000_200_000 + BAR_MS * np.arange(bars, dtype=np.int64),
        prices[:, 0].copy(),
        prices.max(axis=1),
        prices.min(axis=1),
        prices[:, -1].copy(),
        interest,
        interest.copy(),
        np.ones(bars),
        np.full(bars, np.nan),
    )


def best_s(work: Callable[[], object], runs: int = RUNS) -> float:
    """The least CPU time of a few runs, in seconds."""
    times = []
    for _ in range(runs):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def warmed(bars: Bars) -> Estimator:
    """An estimator that has taken these bars in."""
    made = Estimator(tiered(), interval_ms=BAR_MS)
    made.advance(bars)
    return made


def bar_step_us() -> float:
    """One closed bar of many, in microseconds."""
    bars = market(2 * TWO_WEEKS)
    before = warmed(bars[:TWO_WEEKS])
    rest = bars[TWO_WEEKS:]
    return best_s(lambda: before.copy().advance(rest)) / len(rest) * 1e6


def live_bar_us() -> float:
    """One closed bar taken in by itself, in microseconds."""
    bars = market(TWO_WEEKS + 500)
    made = warmed(bars[:TWO_WEEKS])

    def take() -> None:
        other = made.copy()
        for row in range(TWO_WEEKS, TWO_WEEKS + 500):
            other.advance(bars[row : row + 1])

    return best_s(take) / 500 * 1e6


def live_share() -> float:
    """Share of a core that ten symbols on three venues take at a tick a second: forming bar to wire state."""
    bars = market(TWO_WEEKS + 1)
    price = float(bars.close[-1])
    markets = [warmed(bars[:-1]) for _ in range(MARKETS)]
    grid = follow_grid(None, price, 0.12)

    def tick() -> None:
        for symbol in range(0, MARKETS, 3):
            longs, shorts = np.zeros((2, 5, grid.cells))
            for venue in markets[symbol : symbol + 3]:
                long, short = group_cells_usd(venue.standing(bars[-1:]), grid, price)
                longs, shorts = longs + long, shorts + short
            quantised_levels(longs, shorts)

    tick()
    return best_s(tick)


def history() -> tuple[float, float, int]:
    """Seven days at 15 m x 300 levels: seconds to build, to say anew, and bytes of gzip."""
    bars = market(6_048)
    unknown = np.full(len(bars), np.nan)
    news = [Warmup(bars, unknown, unknown, np.zeros(len(bars), dtype=np.int64))]
    end_ms = int(bars.open_time_ms[-1]) + BAR_MS
    week = bars[-2016:]
    middle = (float(week.low.min()) + float(week.high.max())) / 2
    grid = grid_over(middle - 7_500, middle + 7_450, step=50)
    tracks: list[Track] = []

    def build() -> None:
        made = Track(900_000, end_ms - 7 * DAY_MS, grid, [Estimator(tiered(), interval_ms=BAR_MS)])
        made.finish(news, end_ms)
        tracks.append(made)

    built_s = best_s(build, 2)
    columns = tracks[-1].columns
    bodies: list[bytes] = []

    def say() -> None:
        matrix = HistoryMatrix(
            "BTCUSDT",
            900_000,
            end_ms - 7 * DAY_MS,
            len(columns),
            grid,
            long=np.array([column[0] for column in columns]),
            short=np.array([column[1] for column in columns]),
            candles=np.array([column[2] for column in columns]).T,
            exchanges=("binance",),
            epoch=1,
            seq=1,
            source="simulated",
            stale=False,
            quality=(),
            kernel="tiered",
            partial=False,
        )
        bodies.append(gzip.compress(encode_history(matrix), 6))

    return built_s, best_s(say), len(bodies[-1])


def grown_bytes() -> int:
    """How much more memory an estimator holds after a year than after a month."""
    bars = market(YEAR // 3)
    tracemalloc.start()
    made = warmed(bars[: YEAR // 12])
    before = tracemalloc.get_traced_memory()[0]
    for start in range(YEAR // 12, len(bars), 1000):
        made.advance(bars[start : start + 1000])
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


def main() -> int:
    """Print every figure beside its limit; 1 when one is over it."""
    two_weeks, year = market(TWO_WEEKS), market(YEAR)
    warmed(two_weeks)
    built_s, said_s, size = history()
    week = market(WEEK)
    forecast = ForecastCost(week, warmed(week))
    figures = [
        ("one bar step, of many (4,100 bins)", bar_step_us(), 50.0, "us"),
        ("one bar taken in by itself", live_bar_us(), 500.0, "us"),
        ("4,032 bars rebuilt", best_s(lambda: warmed(two_weeks)) * 1e3, 150.0, "ms"),
        ("105,000 bars rebuilt", best_s(lambda: warmed(year), 2), 4.0, "s"),
        ("ten symbols x three venues at 1 s ticks", live_share() * 100, 5.0, "% of a core"),
        ("history 7 d x 15 m x 300: first build", built_s * 1e3, 2_000.0, "ms"),
        ("history 7 d x 15 m x 300: warm", said_s * 1e3, 100.0, "ms"),
        ("history 7 d x 15 m x 300: gzip", size / 1e3, 40.0, "kB"),
        ("forecast of all horizons, one symbol", best_s(forecast.issue, 20) * 1e3, 1.0, "ms"),
        ("forecast's daily refit on a year", best_s(forecast.refit) * 1e3, 200.0, "ms"),
        ("memory gained over four months of bars", grown_bytes() / 1e3, 100.0, "kB"),
    ]
    for name, value, limit, unit in figures:
        print(f"{name:44}{value:10.1f} {unit:12} limit {limit:g}{'' if value <= limit else '   OVER'}")
    return int(any(value > limit for _, value, limit, _ in figures))


if __name__ == "__main__":
    sys.exit(main())
