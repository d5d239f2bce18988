"""The contracts the simulated exchange lists: price level, size, margin rules, how wildly they move.

The margin brackets are those Binance USD-M published as of 2024-10-24. They are written down here and not
taken from the estimator on purpose: what judges the map must share nothing with what draws it.
"""

from __future__ import annotations

from dataclasses import dataclass

from liqstream.market.identity import canonical

Brackets = tuple[tuple[float, float, float, float], ...]
"""(notional cap in USD, maintenance margin rate, highest leverage, cumulative USD), ascending."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One perpetual contract. `daily_volatility` is the usual standard deviation of a day's log return;
    `beta` is how much of the market's common move it makes; `open_interest_usd` the usual open interest.
    """

    symbol: str
    base_price: float
    price_step: float
    quantity_step: float
    open_interest_usd: float
    daily_volatility: float
    beta: float
    brackets: Brackets


_BTC: Brackets = (
    (50e3, 0.004, 125, 0),
    (600e3, 0.005, 100, 50),
    (3e6, 0.0065, 75, 950),
    (12e6, 0.01, 50, 11_450),
    (70e6, 0.02, 25, 131_450),
    (100e6, 0.025, 20, 481_450),
)
_ETH: Brackets = (*_BTC[:4], (50e6, 0.02, 25, 131_450), (65e6, 0.025, 20, 381_450))
_BNB: Brackets = (
    (10e3, 0.005, 75, 0),
    (50e3, 0.006, 50, 10),
    (200e3, 0.01, 40, 210),
    (1.5e6, 0.02, 25, 2210),
    (3e6, 0.025, 20, 9710),
    (15e6, 0.05, 10, 84_710),
)
_SOL: Brackets = (
    (20e3, 0.005, 100, 0),
    (100e3, 0.0065, 75, 30),
    (800e3, 0.01, 50, 380),
    (4e6, 0.02, 25, 8380),
    (8e6, 0.025, 20, 28_380),
    (40e6, 0.05, 10, 228_380),
)
_XRP: Brackets = (
    (10e3, 0.005, 75, 0),
    (20e3, 0.0065, 50, 15),
    (160e3, 0.01, 40, 85),
    (800e3, 0.02, 25, 1685),
    (1.6e6, 0.025, 20, 5685),
    (8e6, 0.05, 10, 45_685),
)
_DOGE: Brackets = (
    (10e3, 0.005, 75, 0),
    (50e3, 0.007, 50, 20),
    (750e3, 0.01, 40, 170),
    (800e3, 0.02, 25, 7670),
    (1.6e6, 0.025, 20, 11_670),
    (8e6, 0.05, 10, 51_670),
)
_ADA: Brackets = (
    (10e3, 0.005, 75, 0),
    (50e3, 0.01, 50, 50),
    (100e3, 0.015, 40, 300),
    (500e3, 0.02, 25, 800),
    (1e6, 0.025, 20, 3300),
    (5e6, 0.05, 10, 28_300),
)
_LINK: Brackets = (
    (10e3, 0.005, 75, 0),
    (50e3, 0.01, 50, 50),
    (80e3, 0.015, 40, 300),
    (400e3, 0.02, 25, 700),
    (800e3, 0.025, 20, 2700),
    (4e6, 0.05, 10, 22_700),
)
_AVAX: Brackets = (
    (5e3, 0.005, 75, 0),
    (25e3, 0.0065, 50, 7.5),
    (80e3, 0.01, 40, 95),
    (400e3, 0.02, 25, 895),
    (800e3, 0.025, 20, 2895),
    (4e6, 0.05, 10, 22_895),
)
_PEPE: Brackets = (
    (5e3, 0.01, 75, 0),
    (50e3, 0.015, 50, 25),
    (100e3, 0.02, 25, 275),
    (500e3, 0.025, 20, 775),
    (1e6, 0.05, 10, 13_275),
    (5e6, 0.1, 5, 63_275),
)
_LTC: Brackets = (
    (10e3, 0.005, 75, 0),
    (50e3, 0.01, 50, 50),
    (100e3, 0.015, 40, 300),
    (750e3, 0.02, 25, 800),
    (1e6, 0.025, 20, 4550),
    (5e6, 0.05, 10, 29_550),
)

CONTRACTS: dict[str, Contract] = {
    contract.symbol: contract
    for contract in (
        Contract("BTCUSDT", 98_000.0, 0.1, 0.001, 2.4e9, 0.022, 1.0, _BTC),
        Contract("ETHUSDT", 3_400.0, 0.01, 0.001, 1.5e9, 0.030, 1.2, _ETH),
        Contract("SOLUSDT", 190.0, 0.01, 0.01, 6e8, 0.036, 1.3, _SOL),
        Contract("XRPUSDT", 2.2, 0.0001, 0.1, 4e8, 0.036, 1.1, _XRP),
        Contract("BNBUSDT", 620.0, 0.01, 0.01, 3e8, 0.024, 0.9, _BNB),
        Contract("DOGEUSDT", 0.32, 0.00001, 1.0, 3e8, 0.042, 1.3, _DOGE),
        Contract("ADAUSDT", 0.9, 0.0001, 1.0, 1.5e8, 0.040, 1.2, _ADA),
        Contract("LINKUSDT", 22.0, 0.001, 0.01, 1.5e8, 0.040, 1.2, _LINK),
        Contract("AVAXUSDT", 36.0, 0.001, 0.1, 1.2e8, 0.040, 1.2, _AVAX),
        Contract("LTCUSDT", 105.0, 0.01, 0.001, 1.2e8, 0.032, 0.9, _LTC),
        Contract("1000PEPEUSDT", 0.012, 0.0000001, 1.0, 1.5e8, 0.045, 1.3, _PEPE),
    )
}
"""Every contract that can be simulated, the ones traders look at first in front; the last is of a thousand
coins."""


def listed_name(symbol: str) -> str:
    """The contract of a symbol's coin, in whatever number it is counted; the symbol itself where none is."""
    return next((name for name in CONTRACTS if canonical(name) == symbol), symbol)
