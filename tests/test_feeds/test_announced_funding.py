"""Funding that was paid, out of announcements of the coming payment."""

from __future__ import annotations

from liqstream.feeds.announced_funding import AnnouncedFunding
from liqstream.market import ComingFunding, FundingRate
from liqstream.market.record_bounds import unsound


def test_the_last_rate_announced_was_paid_once_the_next_is_announced() -> None:
    """Each symbol on its own; a repeated or an older announcement shows no payment; the last one is kept."""
    funding = AnnouncedFunding("x")
    assert funding.paid("BTCUSDT", 7, 100, 0.1) == []
    assert funding.paid("BTCUSDT", 7, 100, 0.2) == []
    assert funding.paid("ETHUSDT", 7, 200, 0.5) == []
    assert funding.paid("BTCUSDT", 7, 200, 0.3) == [FundingRate("x", "BTCUSDT", 100, 0.2)]
    assert funding.paid("BTCUSDT", 7, 100, 0.9) == []
    assert funding.coming("ETHUSDT") == ComingFunding(7, 200, 0.5)
    assert funding.coming("SOLUSDT") is None


def test_a_rate_that_cannot_be_is_for_the_guard_and_never_announced() -> None:
    """What was announced before still is; the payment is shown by the next sound announcement."""
    funding = AnnouncedFunding("x")
    funding.paid("BTCUSDT", 7, 100, 0.1)
    (refused,) = funding.paid("BTCUSDT", 8, 100, 1e8)
    assert unsound(refused) == "rate"
    assert funding.coming("BTCUSDT") == ComingFunding(7, 100, 0.1)
    assert funding.paid("BTCUSDT", 101, 200, 0.3) == [FundingRate("x", "BTCUSDT", 100, 0.1)]
