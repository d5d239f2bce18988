"""Funding that streams announce: the coming payment, and payments that were made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from liqstream.market import DAY_MS, MINUTE_MS, ComingFunding, FundingRate


@dataclass(slots=True)
class AnnouncedFunding:
    """One exchange's announcements: when the next payment is announced, the one before it was made at the
    rate announced last."""

    exchange: str
    now_ms: Callable[[], int]
    """Its clock, UTC."""
    _coming: dict[str, ComingFunding] = field(default_factory=dict)

    def paid(self, symbol: str, sent_ms: int, due_ms: int, rate: float) -> list[FundingRate]:
        """Take an announcement (UTC ms, fraction per interval); the payment it shows to have been made.

        More than all of a position is no rate, and what is days ahead no time: both come as a payment, for
        the guard to refuse.
        """
        latest_ms = self.now_ms() + DAY_MS
        if abs(rate) > 1 or sent_ms > latest_ms:
            return [FundingRate(self.exchange, symbol, sent_ms, rate)]
        if due_ms > latest_ms + DAY_MS:
            return [FundingRate(self.exchange, symbol, due_ms, rate)]
        last = self._coming.get(symbol)
        if last is not None and due_ms < last.due_ms and due_ms <= sent_ms:
            return []  # what is over is announced again, late
        self._coming[symbol] = ComingFunding(sent_ms, due_ms, rate)
        if last is None or due_ms <= last.due_ms or last.due_ms > sent_ms + MINUTE_MS:
            return []  # none, or one that has been put off
        return [FundingRate(self.exchange, symbol, last.due_ms, last.rate)]

    def coming(self, symbol: str) -> ComingFunding | None:
        """What was announced last, due or not; None before any announcement."""
        return self._coming.get(symbol)
