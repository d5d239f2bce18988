"""liqstream/market/ranking.py: which markets are followed, and how slowly that changes."""

from __future__ import annotations

import pytest

from liqstream.market.ranking import BELOW_FOR_MS, MarketChoice, choose, rank

TEN = MarketChoice(10)
NAMES = [f"C{number:02}USDT" for number in range(1, 31)]
"""The one of rank n is number n - 1."""


@pytest.mark.parametrize(("text", "largest"), [("all", None), ("top:1", 1), (" TOP:50 ", 50)])
def test_a_choice_is_read(text: str, largest: int | None) -> None:
    """In any case, and written back in small letters."""
    choice = MarketChoice.read(text)
    assert choice == MarketChoice(largest)
    assert str(choice) == text.strip().lower()


def test_what_is_no_choice() -> None:
    """A symbol is none; a number that cannot be is an error that says what can."""
    assert MarketChoice.read("BTCUSDT") is None
    for text in ("top:", "top:0", "top:-1", "top:2001", "top:x", "top:5.5", "top:٣"):
        with pytest.raises(ValueError, match="top:N with N from 1 to 2000"):
            MarketChoice.read(text)


def test_open_interest_is_added_up_over_exchanges() -> None:
    """Two smaller places of a coin outweigh one."""
    held = {"bybit": {"AUSDT": 5.0, "BUSDT": 6.0}, "okx": {"AUSDT": 4.0}}
    assert rank(held, {}) == ["AUSDT", "BUSDT"]


def test_an_exchange_without_open_interest_counts_by_its_turnover() -> None:
    """Times the others' share of open interest in turnover (here 1/10): B is 9 + 60/10, A 10 + 40/10."""
    held: dict[str, dict[str, float | None]] = {
        "bybit": {"AUSDT": 10.0, "BUSDT": 9.0},
        "binance": {"AUSDT": None, "BUSDT": None},
    }
    traded = {"bybit": {"AUSDT": 100.0, "BUSDT": 90.0}, "binance": {"AUSDT": 40.0, "BUSDT": 60.0}}
    assert rank(held, traded) == ["BUSDT", "AUSDT"]
    alone = {"binance": {"AUSDT": 1.0, "BUSDT": None}}
    assert rank({"binance": held["binance"]}, alone) == ["AUSDT", "BUSDT"]


def test_the_first_choice_takes_the_largest() -> None:
    """Ten of ten; `all` takes all."""
    assert list(choose(NAMES, TEN, {}, 0)) == NAMES[:10]
    assert list(choose(NAMES, MarketChoice(), {}, 0)) == NAMES


def test_a_market_enters_at_nine_tenths() -> None:
    """Rank 9 enters beside those there are, rank 10 does not."""
    followed = dict.fromkeys(NAMES[:8])
    assert list(choose(NAMES, TEN, followed, 0)) == NAMES[:9]


def test_a_market_leaves_below_twelve_tenths_at_once_and_below_ten_after_a_day() -> None:
    """Rank 12 stays for a day, rank 13 goes; one that has come back has a day again."""
    followed = dict.fromkeys([*NAMES[:9], NAMES[11], NAMES[12]])
    chosen = choose(NAMES, TEN, followed, 1000)
    assert chosen == {**dict.fromkeys(NAMES[:9]), NAMES[11]: 1000}
    assert NAMES[11] in choose(NAMES, TEN, chosen, 1000 + BELOW_FOR_MS - 1)
    assert NAMES[11] not in choose(NAMES, TEN, chosen, 1000 + BELOW_FOR_MS)
    better = [*NAMES[:9], NAMES[11], NAMES[9], NAMES[10]]
    assert choose(better, TEN, chosen, 2000)[NAMES[11]] is None


def test_one_that_is_not_ranked_leaves() -> None:
    """A market no exchange has any more; the smallest list has room for one."""
    assert list(choose(NAMES, TEN, dict.fromkeys(["GONEUSDT", *NAMES[:9]]), 0)) == NAMES[:9]
    assert list(choose(NAMES, MarketChoice(1), {"GONEUSDT": None}, 0)) == NAMES[:1]


def test_the_places_of_delisted_markets_are_taken() -> None:
    """By the largest others, in their order, and never beyond N; with places left by rank it is 0.9 N."""
    followed = dict.fromkeys([*NAMES[:7], "GONEUSDT"])
    assert list(choose(NAMES, TEN, followed, 0)) == NAMES[:9]
    assert list(choose(NAMES, TEN, followed, 0, vacant=1)) == NAMES[:10]
    assert list(choose(NAMES, TEN, dict.fromkeys(NAMES[:10]), 0, vacant=3)) == NAMES[:10]
    edge = dict.fromkeys([*NAMES[:8], NAMES[11]])
    assert list(choose(NAMES, TEN, edge, 0, vacant=9)) == [*NAMES[:9], NAMES[11]]
    assert list(choose(NAMES[:4], TEN, dict.fromkeys(NAMES[:3]), 0, vacant=5)) == NAMES[:4]
