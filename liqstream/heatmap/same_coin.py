"""Whether the markets of a symbol are of one coin, counted alike: judged by price as each is first followed.

Two exchanges may list different coins under one name, or one by the thousand without saying so. Added up, the
smaller would vanish in the other; the price tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from liqstream.heatmap.live_market import LiveMarket
from liqstream.market.record_bounds import ratio

MOST_APART = 1.2
"""Prices of one coin on two exchanges are no further apart."""
FRESH_S = 60.0
"""Prices are compared that are no older."""


def judge(markets: Sequence[LiveMarket], now_s: float) -> list[LiveMarket]:
    """Those that are judged now, and marked so. Each market is judged once; until then it is what an earlier
    run found it to be.

    One that agrees with half of the others is of their coin. Of two that do not agree the one that came first
    stays; `markets` are in that order.
    """
    fresh = [market for market in markets if isfinite(market.price_usd) and market.age_s(now_s) <= FRESH_S]
    judged = []
    for number, market in enumerate(fresh):
        if market.coin_judged:
            continue
        others = [other for other in fresh if other is not market and not other.other_coin]
        alike = sum(ratio(market.price_usd, other.price_usd) <= MOST_APART for other in others)
        is_tie = len(others) == 1 and number < fresh.index(others[0]) and not others[0].coin_judged
        if not others or (not alike and is_tie):
            continue
        market.other_coin, market.coin_judged = 2 * alike < len(others), True
        judged.append(market)
    return judged
