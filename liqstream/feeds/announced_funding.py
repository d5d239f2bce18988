"""Funding that streams announce: the coming payment, and payments that were made."""

from __future__ import annotations

from dataclasses import dataclass, field

from liqstream.market import ComingFunding, FundingRate


@dataclass(slots=True)
class AnnouncedFunding:
    """One exchange's announcements: when the next payment is announced, the one before it was made at the
    rate announced last."""

    exchange: str
    _coming: dict[str, ComingFunding] = field(default_factory=dict)

    def paid(self, symbol: str, sent_ms: int, due_ms: int, rate: float) -> list[FundingRate]:
        """Take an announcement (UTC ms, fraction per interval); the payment it shows to have been made.

        More than all of a position is no rate: it comes as a payment of now, for the guard to refuse.
        """
        if abs(rate) > 1:
            return [FundingRate(self.exchange, symbol, sent_ms, rate)]
        last = self._coming.get(symbol)
        self._coming[symbol] = ComingFunding(sent_ms, due_ms, rate)
        if last is None or due_ms <= last.due_ms:
            return []
        return [FundingRate(self.exchange, symbol, last.due_ms, last.rate)]

    def coming(self, symbol: str) -> ComingFunding | None:
        """What was announced last, due or not; None before any announcement."""
        return self._coming.get(symbol)
