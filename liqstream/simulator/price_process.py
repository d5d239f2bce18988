"""The price moves nobody in the simulated market causes, as a function of the seed and the UTC minute alone.

Because nothing here depends on when the simulation was started, two runs on two days have the same
past: a server that is restarted finds its market where it left it. A day's path is a bridge between two
points of a slowly wandering level, with the habits of a crypto market: volatility that persists
(three log volatilities of different memory), fat tails (Student t, 4 degrees of freedom), runs that go on for
an hour, one common move that all symbols make, and sweeps: sharp excursions that come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray
from liqstream.simulator.contracts import Contract

MINUTES = 1440

_LEVEL_PERIODS_DAYS = (3.0, 7.0, 19.0, 47.0)
_VOLATILITY = ((720.0, 0.40), (90.0, 0.40), (10.0, 0.35))
"""(half-life in minutes, standard deviation) of each log volatility."""
_SWEEPS_PER_DAY = 7.0
_COMMON = 0.8
"""Share of a symbol's standard deviation that is the common move."""


@dataclass(frozen=True, slots=True)
class Day:
    """One UTC day of exogenous moves of S symbols, arrays of shape (S, 1440): log of price over base.

    `high` and `low` are the extremes reached inside the minute, `sigma` its standard deviation,
    `activity` how busy the minute is compared with the usual one.
    """

    close: FloatArray
    high: FloatArray
    low: FloatArray
    sigma: FloatArray
    activity: FloatArray


def exogenous_day(contracts: Sequence[Contract], day: int, seed: int) -> Day:
    """The exogenous moves of UTC day number `day` (days since 1970)."""
    paths = [_symbol_day(contract, day, seed) for contract in contracts]
    return Day(*(np.stack([path[part] for path in paths]) for part in range(5)))


def _symbol_day(contract: Contract, day: int, seed: int) -> tuple[FloatArray, ...]:
    shape = _volatility_shape(contract, day, seed)
    usual = contract.daily_volatility / np.sqrt(MINUTES)
    sigma = usual * shape
    moves = sigma * _innovations(contract, day, seed)
    start, end = _level(contract, day, seed), _level(contract, day + 1, seed)
    moves += (end - start - moves.sum()) * sigma**2 / np.sum(sigma**2)
    close = start + np.cumsum(moves) + _sweeps(contract, day, seed)
    opened = np.concatenate(([start + _sweeps(contract, day - 1, seed)[-1]], close[:-1]))
    rng = _generator(seed, contract.symbol, day, "extremes")
    span = np.sqrt((close - opened) ** 2 - 2 * sigma**2 * np.log(rng.uniform(1e-12, 1.0, (2, MINUTES))))
    high, low = (opened + close + span[0]) / 2, (opened + close - span[1]) / 2
    return close, high, low, sigma, shape


def _level(contract: Contract, day: int, seed: int) -> float:
    """Where the price stands at the start of a day: value noise in octaves, its own and the common one."""
    own, common = _wander(contract.symbol, day, seed), _wander("", day, seed)
    mixed = _COMMON * contract.beta * common + np.sqrt(1 - _COMMON**2) * own
    return float(contract.daily_volatility * mixed)


def _wander(name: str, day: int, seed: int) -> float:
    total = 0.0
    for octave, period in enumerate(_LEVEL_PERIODS_DAYS):
        knot, phase = divmod(day / period, 1.0)
        here, there = (
            _generator(seed, name, int(knot) + step, f"level{octave}").standard_normal() for step in (0, 1)
        )
        blend = (1 - np.cos(np.pi * phase)) / 2
        total += 0.55 * np.sqrt(period) * ((1 - blend) * here + blend * there)
    return total


def _volatility_shape(contract: Contract, day: int, seed: int) -> FloatArray:
    """Volatility of each minute over the usual one; with yesterday's noise: midnight is seamless."""
    log_shape = np.zeros(MINUTES)
    for part, (half_life, deviation) in enumerate(_VOLATILITY):
        noise = np.concatenate(
            [_shared_noise(contract, day + back, seed, f"volatility{part}") for back in (-1, 0)]
        )
        keep = 0.5 ** (1 / half_life)
        log_shape += deviation * _remembered(noise, keep)[MINUTES:] - deviation**2 / 2
    busiest_minute = 15 * 60
    hours = 2 * np.pi * (np.arange(MINUTES) - busiest_minute) / MINUTES
    return np.asarray(np.exp(log_shape + 0.25 * np.cos(hours)))


def _innovations(contract: Contract, day: int, seed: int) -> FloatArray:
    """Standardised moves: fat-tailed steps plus runs with an hour of memory."""
    steps = _shared_noise(contract, day, seed, "steps", tails=4.0)
    noise = np.concatenate([_shared_noise(contract, day + back, seed, "runs") for back in (-1, 0)])
    runs = _remembered(noise, 0.5 ** (1 / 60))[MINUTES:]
    return np.asarray(0.97 * steps + 0.12 * runs)


def _sweeps(contract: Contract, day: int, seed: int) -> FloatArray:
    """Excursions that come back, in logs; those of yesterday still ebb away."""
    minute = np.arange(MINUTES, dtype=np.float64)
    total = np.zeros(MINUTES)
    for back in (1, 0):
        rng = _generator(seed, "", day - back, "sweeps")
        count = rng.poisson(_SWEEPS_PER_DAY)
        starts = rng.uniform(0, MINUTES, count) - back * MINUTES
        sizes = rng.choice((-1.0, 1.0), count) * rng.lognormal(-1.35, 0.5, count)
        rises, ebbs = rng.uniform(2, 9, count), rng.uniform(8, 45, count)
        for start, size, rise, ebb in zip(starts, sizes, rises, ebbs, strict=True):
            age = minute - start
            shape = np.where(age < rise, age / rise, 0.5 ** (np.maximum(age - rise, 0) / ebb))
            total += np.where(age > 0, size * contract.daily_volatility * contract.beta * shape, 0.0)
    return total


def _shared_noise(
    contract: Contract, day: int, seed: int, stream: str, *, tails: float | None = None
) -> FloatArray:
    """Unit-variance noise of one day, partly common to all symbols."""

    def draw(name: str) -> NDArray[np.float64]:
        """The stream's noise of one name; "" is the part common to all."""
        rng = _generator(seed, name, day, stream)
        if tails is None:
            return rng.standard_normal(MINUTES)
        return np.asarray(rng.standard_t(tails, MINUTES) / np.sqrt(tails / (tails - 2)))

    return np.asarray(_COMMON * draw("") + np.sqrt(1 - _COMMON**2) * draw(contract.symbol))


def _remembered(noise: FloatArray, keep: float) -> FloatArray:
    """A first-order memory of unit variance: y[i] = keep * y[i-1] + sqrt(1 - keep^2) * noise[i]."""
    # In closed form, in blocks short enough that keep**-n stays within a float.
    block = max(1, min(len(noise), int(-200 / np.log(keep))))
    powers = keep ** np.arange(1, block + 1)
    out = np.empty_like(noise)
    last = float(noise[0])
    for start in range(0, len(noise), block):
        part = noise[start : start + block]
        power = powers[: len(part)]
        out[start : start + block] = power * (last + np.sqrt(1 - keep**2) * np.cumsum(part / power))
        last = float(out[start + len(part) - 1])
    return out


def _generator(seed: int, name: str, number: int, stream: str) -> np.random.Generator:
    """A generator that depends on nothing but its arguments (and so not on Python's salted hash)."""
    words = [seed, number + 2**31, *name.encode(), 256, *stream.encode()]
    return np.random.Generator(np.random.SFC64(words))
