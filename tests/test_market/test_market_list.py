"""liqstream/market/market_list.py: one list that many hold."""

from __future__ import annotations

from liqstream.market.market_list import MarketList


def test_everybody_sees_the_change() -> None:
    """By every way a list is read; each symbol once."""
    followed = MarketList(("A", "B", "A"))
    assert (list(followed), len(followed), "B" in followed, followed[0]) == (["A", "B"], 2, True, "A")
    followed.replace(("B", "C"))
    assert (followed.now, followed[1:], "A" in followed, len(followed)) == (("B", "C"), ("C",), False, 2)


def test_an_iteration_goes_over_the_list_as_it_was() -> None:
    """A loop that waits in between is not disturbed by a change."""
    followed = MarketList(("A", "B"))
    seen = []
    for symbol in followed:
        followed.replace(("X",))
        seen.append(symbol)
    assert seen == ["A", "B"]
