"""Open interest of the past that no market can have: it comes before the bars whose price tells that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from liqstream.feeds.missing_past import Span
from liqstream.market import Candle, MarketEvent, OpenInterest
from liqstream.market.record_bounds import LARGEST_USD, unsound


@dataclass(slots=True)
class PastAmounts:
    """What came of each span, until it is judged."""

    # By symbol, what one of its coins cost by the last bar of the past.
    _price_usd: dict[str, float] = field(default_factory=dict)
    # By symbol and span, the most that was held, in base coin.
    _largest_base: dict[str, dict[Span, float]] = field(default_factory=dict)

    def note(self, records: Sequence[MarketEvent], span: Span) -> None:
        """Take in records that came of a span."""
        for record in records:
            if isinstance(record, OpenInterest):
                largest = self._largest_base.setdefault(record.symbol, {})
                largest[span] = max(record.open_interest_base, largest.get(span, 0.0))
            elif isinstance(record, Candle) and not unsound(record):
                self._price_usd[record.symbol] = record.close

    def take_impossible(self, symbol: str) -> list[Span]:
        """The spans of a symbol with more than one record can be about; each is judged once."""
        price_usd = self._price_usd.get(symbol, 0.0)
        largest = self._largest_base.pop(symbol, {})
        return [span for span, base in largest.items() if base * price_usd > LARGEST_USD]
