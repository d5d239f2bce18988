"""Which of the exchange's coins a symbol is of, and what is known of it in our units, which are single coins.

The exchange counts cheap coins by the thousand: kPEPE is a thousand PEPE. Only what it lists says which.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from liqstream.market.identity import per_coin
from liqstream.positions.measured import MeasuredLevels, levels_of
from liqstream.positions.stored_state import coin_of
from liqstream.positions.tracker import Tracker

THOUSAND = 1000


class CoinNames:
    """For `symbols`; before anything is learned each is taken to be listed by the coin."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = tuple(symbols)
        self._thousands: frozenset[str] = frozenset()  # symbols whose coin is listed by the thousand

    @property
    def contracts(self) -> Mapping[str, tuple[str, int]]:
        """By the exchange's coin: our symbol, and how many coins the exchange counts as one."""
        return {self.coin(symbol): (symbol, self.counted(symbol)) for symbol in self.symbols}

    def learn(self, listed: Collection[str]) -> None:
        """Take in which coins there are; one that is listed singly too is that one."""
        self._thousands = frozenset(
            symbol
            for symbol in self.symbols
            if coin_of(symbol) not in listed and f"k{coin_of(symbol)}" in listed
        )

    def coin(self, symbol: str) -> str:
        """The exchange's coin."""
        return f"k{coin_of(symbol)}" if symbol in self._thousands else coin_of(symbol)

    def counted(self, symbol: str) -> int:
        """How many coins the exchange counts as one."""
        return THOUSAND if symbol in self._thousands else 1

    def levels(
        self, tracker: Tracker, symbol: str, now_ms: int, mark: float | None = None
    ) -> MeasuredLevels | None:
        """A symbol's positions now, in single coins; `mark` (USD a coin) is taken while none is known. None
        without a mark."""
        coins = self.counted(symbol)
        found = levels_of(tracker, self.coin(symbol), now_ms, None if mark is None else mark * coins)
        if found is None or coins == 1:
            return found
        return replace(
            found,
            mark=per_coin(found.mark, coins),
            size=found.size * coins,
            entry=found.entry / coins,
            level=found.level / coins,
        )

    def open_interest(self, tracker: Tracker, symbol: str) -> float:
        """A symbol's open interest in single coins; NaN while it is not known."""
        number = tracker.coins.number(self.coin(symbol))
        return float(tracker.coins.open_interest[number]) * self.counted(symbol)

    def note_open_interest(self, tracker: Tracker, symbol: str, held: float) -> None:
        """Open interest in single coins, from elsewhere than the exchange."""
        number = tracker.coins.number(self.coin(symbol))
        tracker.coins.open_interest[number] = held / self.counted(symbol)
