"""Funding that was paid, from streams that only announce the coming payment."""

from __future__ import annotations

from dataclasses import dataclass, field

from liqstream.market import FundingRate


@dataclass(slots=True)
class AnnouncedFunding:
    """One exchange's announcements: when the next payment is announced, the one before it was made at the
    rate announced last."""

    exchange: str
    _coming: dict[str, tuple[int, float]] = field(default_factory=dict)

    def paid(self, symbol: str, due_ms: int, rate: float) -> list[FundingRate]:
        """Take an announcement (UTC ms, fraction per interval); the payment it shows to have been made."""
        last = self._coming.get(symbol)
        self._coming[symbol] = (due_ms, rate)
        return [FundingRate(self.exchange, symbol, *last)] if last is not None and due_ms > last[0] else []
