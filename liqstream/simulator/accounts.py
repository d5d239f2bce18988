"""The simulated market's traders as accounts with addresses: one isolated position each, its truth known.

Makers hold the other side of all of them, so that longs, shorts and open interest are one figure. They are
limitlessly rich and have no level. Each order is filled by all makers of its symbol, by their shares: so all
of them are on one side. Slots of the market are used again, addresses never.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Protocol

import numpy as np

from liqstream.market import FloatArray
from liqstream.simulator.position_changes import ChangeLog, PositionChanges
from liqstream.simulator.positions import NEVER_MS, SLOTS, Positions

MAKER_SHARES = (0.16, 0.12, 0.1, 0.08, 0.07, 0.06, 0.055, 0.05, 0.045, 0.04, *[0.22 / 6] * 6)
"""What each maker of a symbol fills of an order: the ten largest .78 of it."""
_LARGEST_ID = 2**6
"""Trades of one change of a position have ids below each other's: transfer, makers, the vault's sales."""
LEADERBOARD_SHARE = 0.6
LARGE_USD = 100_000.0
"""Of a larger position a fifth is liquidated first."""
BACKSTOP_EVERY = 50
TIERS: dict[str, tuple[int, tuple[tuple[float, int], ...]]] = {
    "BTC": (56, ((0.0, 40), (150e6, 20))),
    "ETH": (55, ((0.0, 25), (100e6, 15))),
    "SOL": (54, ((0.0, 20), (70e6, 10))),
}
"""Coin -> (margin table, its tiers: lower bound in USD, maximum leverage); others have the one tier 10."""
OTHER_TIER = (10, ((0.0, 10),))


def address_of(*parts: object) -> str:
    """The address of what these parts name."""
    return f"0x{blake2b(repr(parts).encode(), digest_size=20).hexdigest()}"


def maker(number: int, symbol: str) -> str:
    """A maker's address: each symbol has its own."""
    return address_of("maker", number, symbol)


@dataclass(frozen=True, slots=True)
class Print:
    """One trade: a trader's change of position against a maker. `level` is set where he was liquidated; with
    `backstop` the one against him is the liquidator vault."""

    symbol: str
    time_ms: int
    trade_id: int
    price: float
    size: float
    trader: str
    maker: str
    trader_buys: bool
    level: float | None
    backstop: bool = False


@dataclass(frozen=True, slots=True)
class AccountTruth:
    """An account's position: signed size, entry and liquidation price (None: a maker has none)."""

    address: str
    size: float
    entry: float
    level: float | None
    leverage: float


class AccountsMarket(Protocol):
    """What accounts need of a market."""

    symbols: tuple[str, ...]
    positions: Positions
    changes: ChangeLog

    def price(self, symbol: str, at_ms: int) -> float:
        """The mark price at a moment, USD."""
        ...


class SimulatedAccounts:
    """The accounts of a market; `seed` makes their addresses."""

    def __init__(self, market: AccountsMarket, seed: int) -> None:
        self._market = market
        self._seed = seed
        # Address -> its slot and when that was opened; those that are closed stay, and hold nothing.
        self._slot_of: dict[str, tuple[int, float]] = {}
        self._seen_ms: FloatArray = np.zeros(0)  # by slot: the opening that is known already
        self._maker_of: dict[str, tuple[int, str]] = {
            maker(number, symbol): (number, symbol)
            for symbol in market.symbols
            for number in range(len(MAKER_SHARES))
        }

    def prints(self, symbol: str, since_ms: int, until_ms: int) -> list[Print]:
        """The trades with since_ms < time <= until_ms, in time order."""
        row = self._market.symbols.index(symbol)
        found = [
            each
            for changes in self._market.changes.between(since_ms, until_ms)
            for each in self._prints_of(changes, symbol, row)
        ]
        return sorted(found, key=lambda each: (each.time_ms, each.trade_id))

    def _prints_of(self, changes: PositionChanges, symbol: str, row: int) -> Iterator[Print]:
        for index in np.flatnonzero(changes.slot // SLOTS == row).tolist():
            slot, opened_ms = int(changes.slot[index]), int(changes.opened_ms[index])
            trader, signed = self.address(slot, opened_ms), float(changes.signed[index])
            price, level = float(changes.price[index]), float(changes.level[index])
            number = _number(trader) * 4 + 2 * changes.closes
            is_forced = not np.isnan(level)
            is_large = is_forced and abs(signed) * price > LARGE_USD
            whole = Print(
                symbol,
                int(changes.time_ms[index]),
                number * _LARGEST_ID,
                price,
                abs(signed),
                trader,
                "",
                signed > 0,
                level if is_forced else None,
            )
            if is_forced and _number(trader) % BACKSTOP_EVERY == 0:
                yield from _taken_over(whole)
                continue
            for part, share in enumerate((0.2, 0.8) if is_large else (1.0,)):
                trade_id = (number + part) * _LARGEST_ID
                yield from _filled(replace(whole, trade_id=trade_id, size=whole.size * share))

    def address(self, slot: int, opened_ms: int) -> str:
        """The account of the position opened in a slot at a moment."""
        return _trader(self._seed, slot, opened_ms)

    def holdings(self, symbol: str, at_ms: int) -> list[AccountTruth]:
        """Every account with a position at a moment of the minute being shown, makers last."""
        positions = self._market.positions
        slots = positions.standing(self._market.symbols.index(symbol), at_ms)
        found = []
        net = 0.0
        for slot in slots.tolist():
            sign = 1 if positions.is_long[slot] else -1
            address = self.address(slot, int(positions.opened_ms[slot]))
            size = sign * float(positions.quantity[slot])
            net += size
            found.append(
                AccountTruth(
                    address,
                    size,
                    float(positions.entry[slot]),
                    float(positions.liquidation[slot]),
                    float(positions.leverage[slot]),
                )
            )
        price = self._market.price(symbol, at_ms)
        makers = [
            AccountTruth(maker(number, symbol), round(-net * share, 10), price, None, 1.0)
            for number, share in enumerate(MAKER_SHARES)
        ]
        return found + [each for each in makers if abs(each.size) > 1e-9]

    def of(self, address: str, at_ms: int) -> tuple[str, AccountTruth] | None:
        """An account's symbol and position at a moment, None if it holds nothing or there is none such."""
        made = self._maker_of.get(address)
        if made is not None:
            symbol = made[1]
            found = [each for each in self.holdings(symbol, at_ms) if each.address == address]
            return (symbol, found[0]) if found else None
        self._meet()
        known = self._slot_of.get(address)
        if known is None:
            return None
        slot, opened_ms = known
        positions = self._market.positions
        if positions.opened_ms[slot] != opened_ms or not opened_ms <= at_ms < positions.closed_ms[slot]:
            return None
        size = float(positions.quantity[slot]) * (1 if positions.is_long[slot] else -1)
        truth = AccountTruth(
            address,
            size,
            float(positions.entry[slot]),
            float(positions.liquidation[slot]),
            float(positions.leverage[slot]),
        )
        return self._market.symbols[slot // SLOTS], truth

    def _meet(self) -> None:
        """Learn the addresses of positions opened since the last time."""
        opened = self._market.positions.opened_ms
        if not len(self._seen_ms):
            self._seen_ms = np.full(len(opened), NEVER_MS)
        for slot in np.flatnonzero((opened != self._seen_ms) & (opened < NEVER_MS)).tolist():
            self._slot_of[self.address(slot, int(opened[slot]))] = (slot, float(opened[slot]))
        self._seen_ms = opened.copy()

    def leaderboard(self, at_ms: int) -> list[tuple[str, float]]:
        """The upper 60 % of the accounts by the USD they hold, with it."""
        held: list[tuple[str, float]] = []
        for symbol in self._market.symbols:
            price = self._market.price(symbol, at_ms)
            held += [(each.address, abs(each.size) * price) for each in self.holdings(symbol, at_ms)]
        held.sort(key=lambda pair: -pair[1])
        return held[: round(LEADERBOARD_SHARE * len(held))]


@lru_cache(maxsize=200_000)
def _trader(seed: int, slot: int, opened_ms: int) -> str:
    return address_of(seed, slot, opened_ms)


def _number(address: str) -> int:
    """A number below 2**44 that an address stands for."""
    return int(address[2:13], 16)


def _filled(order: Print) -> Iterator[Print]:
    """A trader's order, filled by every maker; what rounding leaves is the last one's."""
    left, last = order.size, len(MAKER_SHARES) - 1
    for number, share in enumerate(MAKER_SHARES):
        size = round(left if number == last else order.size * share, 10)
        left -= size
        yield replace(
            order, trade_id=order.trade_id + 1 + number, size=size, maker=maker(number, order.symbol)
        )


def _taken_over(order: Print) -> Iterator[Print]:
    """A position that a liquidator vault takes over at its level, and sells on by an ordinary order."""
    vault = liquidator_vaults()[0]
    yield replace(order, maker=vault, backstop=True)
    sold = replace(order, trade_id=order.trade_id + 2 * len(MAKER_SHARES), trader=vault, level=None)
    yield from _filled(sold)


def liquidator_vaults() -> tuple[str, ...]:
    """The vaults that take positions over; the first does."""
    return tuple(address_of("liquidator", number) for number in range(4))


def tiers_of(coin: str) -> tuple[int, tuple[tuple[float, int], ...]]:
    """A coin's margin table and its tiers."""
    return TIERS.get(coin, OTHER_TIER)


def raw_usd_of(coin: str, truth: AccountTruth) -> float:
    """The isolated margin's own USD, with which the venue's rules give the position's level."""
    if truth.level is None:
        return 2e15 * abs(truth.size)
    notional, deduction, rate = abs(truth.size) * truth.level, 0.0, 0.0
    for low, leverage in tiers_of(coin)[1]:
        if notional >= low:
            deduction += low * (1 / (2 * leverage) - rate) if low else 0.0
            rate = 1 / (2 * leverage)
    return -truth.level * (truth.size - rate * abs(truth.size)) - deduction
