"""Which makers are listened to."""

from __future__ import annotations

from liqstream.positions.maker_ranking import MakerRanking, maker_of
from liqstream.positions.tracker import AccountTrade


def trade(maker: int, usd: float, *, time_ms: int = 0, is_buy: bool = True) -> AccountTrade:
    """One that a maker filled."""
    buyer, seller = ("taker", f"m{maker}") if is_buy else (f"m{maker}", "taker")
    return AccountTrade("BTC", 100.0, usd / 100, time_ms, 1, buyer, seller, is_buy)


def test_the_maker_is_who_did_not_cross() -> None:
    """The seller where the aggressor bought."""
    assert maker_of(trade(1, 5.0)) == maker_of(trade(1, 5.0, is_buy=False)) == "m1"


def test_ten_of_the_largest_and_who_is_listened_to_is_kept_to_rank_fifteen() -> None:
    """A change of ranks alone changes nobody."""
    ranking = MakerRanking()
    for number in range(20):
        ranking.note(trade(number, 1000.0 * (20 - number)))
    first = ranking.wanted(())
    assert first == [f"m{number}" for number in range(10)]
    for number in range(10, 14):
        ranking.note(trade(number, 30_000.0))
    assert set(ranking.wanted(first)) == set(first)
    for number in range(10, 18):
        ranking.note(trade(number, 60_000.0))
    anew = ranking.wanted(first)
    assert len(anew) == 10
    assert {"m10", "m11", "m12"} <= set(anew)
    assert "m9" not in anew
    assert "m0" not in ranking.wanted((), ["m0"])


def test_trades_of_half_an_hour_count() -> None:
    """And none with oneself."""
    ranking = MakerRanking()
    ranking.note(trade(1, 1e6))
    ranking.note(trade(2, 5.0, time_ms=29 * 60_000))
    assert ranking.wanted(()) == ["m1", "m2"]
    ranking.note(AccountTrade("BTC", 1.0, 9e9, 29 * 60_000, 2, "own", "own"))
    ranking.note(trade(2, 5.0, time_ms=36 * 60_000))
    assert ranking.wanted(()) == ["m2"]
