"""Which of the symbols asked for an exchange trades now, and what has changed in its list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from liqstream.feeds.schedule import soon_then
from liqstream.feeds.venue import Instrument

READ_EVERY_S = 3600.0
LEAST_READ_EVERY_S = 60.0
"""However often the exchange says that something has changed."""
READ_FOR_SIZES_EVERY_S = 20.0
"""While amounts are refused: a size may be listed wrongly."""
READ_AGAIN_S = 300.0
"""While a symbol is not listed, does not trade, will be delisted or has another size, and has for a while: a
list may have been wrong, and not every exchange says when it is over."""

NOT_TRADING, NOT_LISTED, CONTRACT_CHANGED = "not_trading", "not_listed", "contract_changed"


@dataclass(slots=True)
class InstrumentList:
    """What is known of `symbols`. Before the first reading every one of them is taken to be traded."""

    symbols: tuple[str, ...]
    _listed: Mapping[str, Instrument] | None = None
    # `followed`, which is asked for with each message; None while it is to be found out anew.
    _followed: tuple[str, ...] | None = None
    # By symbol, that its contract has another size than when it was first listed.
    _resized: dict[str, str] = field(default_factory=dict)
    # The size of each symbol's contract as it was first listed, in base coin.
    _first_sizes: dict[str, float] = field(default_factory=dict)
    # Since when amounts of a symbol are refused, UTC ms: its size may be listed wrongly.
    _doubted_since_ms: dict[str, int] = field(default_factory=dict)
    # What is unusual in the list, and since when, in s; see `read_again_s`.
    _unusual: tuple[tuple[tuple[str, str], ...], str] = ((), "")
    _unusual_since_s: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the list has been read."""
        return self._listed is not None

    @property
    def listed(self) -> Mapping[str, Instrument] | None:
        """Everything the exchange listed when it was read last, and what has left the list; None before."""
        return self._listed

    def follow(self, symbols: tuple[str, ...]) -> None:
        """Ask for these symbols from now on."""
        self.symbols, self._followed = symbols, None
        self._resized = {symbol: text for symbol, text in self._resized.items() if symbol in symbols}
        self._doubted_since_ms = {s: since for s, since in self._doubted_since_ms.items() if s in symbols}

    def doubt(self, symbol: str, time_ms: int) -> None:
        """An amount of a symbol was refused, as it was at that time: its contract may have another size."""
        self._doubted_since_ms[symbol] = min(time_ms, self._doubted_since_ms.get(symbol, time_ms))

    @property
    def followed(self) -> tuple[str, ...]:
        """The symbols that trade."""
        if self._listed is None:
            return self.symbols
        if self._followed is None:
            self._followed = tuple(symbol for symbol in self.symbols if self._is_traded(symbol))
        return self._followed

    def read(self, listed: Mapping[str, Instrument]) -> dict[str, int]:
        """Take a new list in; the symbols whose size was listed wrongly, with since when, UTC ms.

        A size that is another one than before has changed, and is flagged until it is the first again, unless
        amounts were refused meanwhile: then it was listed wrongly. Raises ValueError for a list without any
        contract: no exchange lists none.
        """
        if not listed:
            raise ValueError("a list of contracts without one that can be read")
        before = self._listed or {}
        corrected = {}
        for symbol in self.symbols:
            if symbol not in listed:
                continue
            new = listed[symbol].contract_base
            old = before[symbol].contract_base if symbol in before else new
            if new != old and symbol in self._doubted_since_ms:
                corrected[symbol] = self._doubted_since_ms.pop(symbol)
                self._first_sizes[symbol] = new
            first = self._first_sizes.setdefault(symbol, new)
            if new == first:
                self._resized.pop(symbol, None)
            elif new != old:
                self._resized[symbol] = f"the contract of {symbol} has {new:g} instead of {first:g} base coin"
        self._followed = None
        # What has left the list keeps its size, so that its return with another one is noticed.
        self._listed = {**{s: _gone(before[s]) for s in before if s not in listed}, **listed}
        return corrected

    @property
    def has_sizes(self) -> bool:
        """Whether amounts are in contracts, whose sizes are in the list."""
        return any(one.contract_base != 1.0 for one in (self._listed or {}).values())

    def flags(self) -> dict[str, set[str]]:
        """What the maps of the symbols must say."""
        found: dict[str, set[str]] = {}
        for symbol in self.symbols:
            one = (self._listed or {}).get(symbol)
            if self._listed is not None and not self._is_traded(symbol):
                listed = one is not None and one.state != GONE
                found.setdefault(symbol, set()).add(NOT_TRADING if listed else NOT_LISTED)
            if symbol in self._resized:
                found.setdefault(symbol, set()).add(CONTRACT_CHANGED)
        return found

    def problems(self, exchange: str) -> dict[str, str]:
        """What users are shown, by symbol."""
        found = dict(self._resized)
        for symbol in self.symbols if self._listed is not None else ():
            one = (self._listed or {}).get(symbol)
            if one is None or one.state == GONE:
                found[symbol] = f"{exchange} does not list {symbol}"
            elif not one.tradable:
                found[symbol] = f"{exchange} does not trade {symbol} now ({one.state})"
        return found

    def read_again_s(self, now_s: float) -> float:
        """How long after a reading at `now_s` (of a monotonic clock) the list is to be read again, in s."""
        unusual = (tuple(sorted(self.problems("").items())), self.announced(""))
        if unusual != self._unusual:
            self._unusual, self._unusual_since_s = unusual, now_s
        if not any(unusual):
            return READ_EVERY_S
        return soon_then(now_s - self._unusual_since_s, READ_AGAIN_S)

    def announced(self, exchange: str) -> str:
        """Which of the symbols will be delisted, and when; "" for none."""
        listed = self._listed or {}
        ends = {s: listed[s].delists_at_ms for s in self.symbols if s in listed}
        return "; ".join(
            f"{exchange} delists {symbol} at {datetime.fromtimestamp(ends_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
            for symbol, ends_ms in ends.items()
            if ends_ms is not None
        )

    def stand_ins(self, exchange: str) -> str:
        """Which of the symbols it has only as a contract settled in another coin; "" for none."""
        found = {symbol: (self._listed or {}).get(symbol) for symbol in self.symbols}
        return "; ".join(
            f"{exchange} lists no {symbol}: its {one.stands_in} is taken"
            for symbol, one in found.items()
            if one is not None and one.stands_in
        )

    def _is_traded(self, symbol: str) -> bool:
        one = (self._listed or {}).get(symbol)
        return one is not None and one.tradable


GONE = "gone"
"""The state of what has left the list."""


def _gone(instrument: Instrument) -> Instrument:
    return Instrument(instrument.symbol, False, GONE, instrument.contract_base)
