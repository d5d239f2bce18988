"""Funding that was paid, out of announcements of the coming payment."""

from __future__ import annotations

from liqstream.feeds.announced_funding import AnnouncedFunding
from liqstream.market import HOUR_MS, ComingFunding, FundingRate
from liqstream.market.record_bounds import unsound


def test_the_last_rate_announced_was_paid_once_the_next_is_announced() -> None:
    """Each symbol on its own; a repeated or an older announcement shows no payment; the last one is kept."""
    funding = AnnouncedFunding("x", lambda: 0)
    assert funding.paid("BTCUSDT", 7, 100, 0.1) == []
    assert funding.paid("BTCUSDT", 7, 100, 0.2) == []
    assert funding.paid("ETHUSDT", 7, 200, 0.5) == []
    assert funding.paid("BTCUSDT", 101, 200, 0.3) == [FundingRate("x", "BTCUSDT", 100, 0.2)]
    assert funding.paid("BTCUSDT", 102, 100, 0.9) == []
    assert funding.paid("BTCUSDT", 201, 300, 0.4) == [FundingRate("x", "BTCUSDT", 200, 0.3)]
    assert funding.coming("ETHUSDT") == ComingFunding(7, 200, 0.5)
    assert funding.coming("SOLUSDT") is None


def test_a_rate_that_cannot_be_is_for_the_guard_and_never_announced() -> None:
    """What was announced before still is; the payment is shown by the next sound announcement."""
    funding = AnnouncedFunding("x", lambda: 0)
    funding.paid("BTCUSDT", 7, 100, 0.1)
    (refused,) = funding.paid("BTCUSDT", 8, 100, 1e8)
    assert unsound(refused) == "rate"
    assert funding.coming("BTCUSDT") == ComingFunding(7, 100, 0.1)
    assert funding.paid("BTCUSDT", 101, 200, 0.3) == [FundingRate("x", "BTCUSDT", 100, 0.1)]


def test_a_payment_that_is_put_off_or_brought_forward_was_not_made() -> None:
    """An exchange pays every four hours instead of eight, or pauses."""
    funding = AnnouncedFunding("x", lambda: 0)
    for due_ms in (8 * HOUR_MS, 4 * HOUR_MS, 6 * HOUR_MS):
        assert funding.paid("BTCUSDT", HOUR_MS, due_ms, 0.1) == []
        assert funding.coming("BTCUSDT") == ComingFunding(HOUR_MS, due_ms, 0.1)
    paid = funding.paid("BTCUSDT", 6 * HOUR_MS, 10 * HOUR_MS, 0.2)
    assert paid == [FundingRate("x", "BTCUSDT", 6 * HOUR_MS, 0.1)]


def test_a_time_that_cannot_be_is_for_the_guard_and_never_announced() -> None:
    """One of 2096 stood in the table of markets as the next payment."""
    funding, far_ms = AnnouncedFunding("x", lambda: 0), 3 * 24 * HOUR_MS
    funding.paid("BTCUSDT", 7, 100, 0.1)
    for sent_ms, due_ms in ((8, far_ms), (far_ms, far_ms + HOUR_MS)):
        assert funding.paid("BTCUSDT", sent_ms, due_ms, 0.1) == [FundingRate("x", "BTCUSDT", far_ms, 0.1)]
    assert funding.coming("BTCUSDT") == ComingFunding(7, 100, 0.1)
