"""The traders of the simulated market: who opens what, with which leverage, and where it ends.

Everything that is proportional to the entry price is drawn a day ahead for all of a day's traders at once;
when the minute of an entry comes, only the price is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray
from liqstream.simulator.contracts import Brackets, Contract
from liqstream.simulator.price_process import MINUTES, Day

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

LEVERAGES = np.array([3, 5, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 125], dtype=np.float64)
_POPULARITY = np.array([8, 14, 3, 2, 20, 2, 5, 16, 11, 1, 1, 8, 2, 6, 1], dtype=np.float64)
_HOLD_MINUTES = {10: 1800.0, 20: 960.0, 40: 720.0, 75: 420.0, 1000: 200.0}
"""Highest leverage -> median time a position is held: the higher the leverage, the shorter the patience."""

ENTRIES_PER_MINUTE = 2.2
_MARGIN_MEDIAN_USD, _MARGIN_SPREAD = 1500.0, 1.1
_CAUTION = 1.5
"""How fast the money put at stake falls with leverage: most of the open interest is held at low leverage."""


@dataclass(frozen=True, slots=True)
class Entries:
    """One day's entries of all symbols, ascending by minute; columns of equal length.

    Ratios are to the entry price: `lower` and `upper` are the prices that end the position, the liquidation
    price among them. `notional_usd` counts all the traders who took the same position together.
    """

    symbol: IntArray
    minute: FloatArray
    is_long: BoolArray
    leverage: FloatArray
    notional_usd: FloatArray
    hold_minutes: FloatArray
    liquidation: FloatArray
    lower: FloatArray
    upper: FloatArray


def day_of_entries(contracts: Sequence[Contract], exogenous: Day, day: int, seed: int) -> Entries:
    """Who enters on a UTC day: more when it is wild, rather with the move than against it."""
    columns = [
        _symbol_entries(contract, row, exogenous, day, seed, _companions(contract))
        for row, contract in enumerate(contracts)
    ]
    joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
    order = np.argsort(joined[1], kind="stable")
    symbol, minute, is_long, leverage, notional, hold, liquidation, lower, upper = (
        column[order] for column in joined
    )
    return Entries(
        symbol.astype(np.int64),
        minute,
        is_long.astype(np.bool_),
        leverage,
        notional,
        hold,
        liquidation,
        lower,
        upper,
    )


def liquidation_ratio(
    is_long: BoolArray, leverage: FloatArray, notional_usd: FloatArray, brackets: Brackets
) -> FloatArray:
    """Liquidation price over entry price of isolated positions of `notional_usd` at entry.

    Binance USD-M: long (1 - 1/L - cum/N) / (1 - MMR), short (1 + 1/L + cum/N) / (1 + MMR), with rate and
    cumulative amount of the bracket the position is in *at its liquidation price*.
    """
    caps, rates, _, amounts = (np.array(column) for column in zip(*brackets, strict=True))
    sign = np.where(is_long, 1.0, -1.0)
    ratio = np.ones_like(leverage)
    for _ in range(4):
        bracket = np.minimum(np.searchsorted(caps, notional_usd * ratio), len(caps) - 1)
        ratio = (1 - sign * (1 / leverage + amounts[bracket] / notional_usd)) / (1 - sign * rates[bracket])
    return np.asarray(ratio)


def _symbol_entries(
    contract: Contract, row: int, exogenous: Day, day: int, seed: int, companions: float
) -> tuple[FloatArray, ...]:
    rng = np.random.Generator(np.random.SFC64([seed, day + 2**31, *contract.symbol.encode(), 7]))
    busy = np.clip(exogenous.activity[row], 0.2, 5.0) ** 0.8
    counts = rng.poisson(ENTRIES_PER_MINUTE * busy)
    whole_minute = np.repeat(np.arange(MINUTES), counts)
    count = len(whole_minute)
    minute = np.sort(whole_minute + rng.uniform(0, 1, count))
    is_long = rng.uniform(size=count) < 0.5 + 0.22 * _pull(exogenous, row)[whole_minute]
    leverage = np.minimum(rng.choice(LEVERAGES, count, p=_POPULARITY / _POPULARITY.sum()), _highest(contract))
    notional = _notional(contract, leverage, rng)
    liquidation = liquidation_ratio(is_long, leverage, notional, contract.brackets)
    lower, upper = _ends(is_long, liquidation, rng)
    hold = _hold(leverage, rng)
    columns = (
        np.full(count, row),
        minute,
        is_long,
        leverage,
        notional * companions,
        hold,
        liquidation,
        lower,
        upper,
    )
    return tuple(np.asarray(column, dtype=np.float64) for column in columns)


def _pull(exogenous: Day, row: int) -> FloatArray:
    """-1..1: how much the last three quarters of an hour pull newcomers to the long side."""
    log_price = exogenous.close[row]
    before = np.concatenate((np.full(45, log_price[0]), log_price[:-45]))
    expected = exogenous.sigma[row] * np.sqrt(45)
    return np.asarray(np.tanh((log_price - before) / expected))


def _highest(contract: Contract) -> float:
    return contract.brackets[0][2]


def _notional(contract: Contract, leverage: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Position sizes in USD, no larger than the brackets allow at the leverage, in whole quantity steps."""
    margin = (
        _MARGIN_MEDIAN_USD * (20 / leverage) ** _CAUTION * rng.lognormal(0, _MARGIN_SPREAD, len(leverage))
    )
    caps = np.array([bracket[0] for bracket in contract.brackets])
    allowed = np.array([bracket[2] for bracket in contract.brackets])
    cap = caps[::-1][np.searchsorted(allowed[::-1], leverage)]
    return np.asarray(np.minimum(margin * leverage, cap * 0.95))


def _ends(
    is_long: BoolArray, liquidation: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Where a position ends against the trader (stop, else liquidation) and for him (take profit)."""
    count = len(liquidation)
    to_liquidation = np.abs(1 - liquidation)
    cautious = rng.uniform(size=count) < np.where(to_liquidation > 0.03, 0.75, 0.55)
    against = np.where(cautious, rng.uniform(0.25, 0.9, count), 1.0) * to_liquidation
    greedy = rng.uniform(size=count) < 0.35
    gain = np.clip(to_liquidation * rng.lognormal(0.2, 0.6, count), 0.003, 0.5)
    gain = np.where(greedy, np.inf, gain)
    lower = np.where(is_long, 1 - against, 1 - gain)
    upper = np.where(is_long, 1 + gain, 1 + against)
    return np.where(is_long & ~cautious, liquidation, lower), np.where(
        ~is_long & ~cautious, liquidation, upper
    )


def _hold(leverage: FloatArray, rng: np.random.Generator) -> FloatArray:
    bounds = np.array(list(_HOLD_MINUTES))
    medians = np.array(list(_HOLD_MINUTES.values()))
    return np.asarray(medians[np.searchsorted(bounds, leverage)] * rng.lognormal(0, 1.0, len(leverage)))


def _companions(contract: Contract) -> float:
    """How many traders take each position, so that the open interest comes to the contract's usual one.

    Drawn once from a sample that knows neither day nor seed: sizes must not change from run to run.
    """
    rng = np.random.Generator(np.random.SFC64(1))
    leverage = np.minimum(
        rng.choice(LEVERAGES, 20_000, p=_POPULARITY / _POPULARITY.sum()), _highest(contract)
    )
    notional = _notional(contract, leverage, rng)
    survival = 0.66
    held = np.minimum(_hold(leverage, rng), 4000.0) * survival
    return float(contract.open_interest_usd / (ENTRIES_PER_MINUTE * np.mean(notional * held) / 2))
