"""The choice of markets by size: the N largest of some exchanges, or all, and slow to change.

A market enters a list of N at rank 0.9 N, and leaves it below rank 1.2 N or after a day below rank N: one
that stands at the edge does not come and go. The place of one that was delisted is taken at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from liqstream.market.records import DAY_MS

MOST = 2000
"""Of a list of the largest."""
_ENTERS_AT = 0.9
_LEAVES_BELOW = 1.2
BELOW_FOR_MS = DAY_MS


@dataclass(frozen=True, slots=True)
class MarketChoice:
    """Which markets are followed: the `largest` so many, None for all."""

    largest: int | None = None

    def __str__(self) -> str:
        return "all" if self.largest is None else f"top:{self.largest}"

    @classmethod
    def read(cls, text: str) -> MarketChoice | None:
        """What `top:50` and `all` mean; None for text of another form. Raises ValueError for a bad number."""
        text = text.strip().lower()
        if text == "all":
            return cls()
        if not text.startswith("top:"):
            return None
        number = text.removeprefix("top:")
        if not re.fullmatch("[0-9]{1,6}", number) or not 1 <= int(number) <= MOST:
            raise ValueError(f"{text!r} is no choice of markets; top:N with N from 1 to {MOST}, e.g. top:50")
        return cls(int(number))


def rank(
    open_interest_usd: Mapping[str, Mapping[str, float | None]],
    turnover_usd: Mapping[str, Mapping[str, float | None]],
) -> list[str]:
    """Symbols by their open interest over all exchanges, the largest first; figures by exchange and symbol.

    An exchange that states no open interest counts by its turnover, times what the open interest of the
    others is of theirs. Equals stand in the order of their names.
    """
    held = traded = 0.0
    for exchange, by_symbol in open_interest_usd.items():
        for symbol, usd in by_symbol.items():
            turnover = turnover_usd.get(exchange, {}).get(symbol)
            if usd is not None and turnover is not None:
                held, traded = held + usd, traded + turnover
    share = held / traded if held and traded else 1.0
    total: dict[str, float] = {}
    for exchange, by_symbol in open_interest_usd.items():
        for symbol, usd in by_symbol.items():
            turnover = turnover_usd.get(exchange, {}).get(symbol)
            size = usd if usd is not None else (turnover or 0.0) * share
            total[symbol] = total.get(symbol, 0.0) + size
    return sorted(total, key=lambda symbol: (-total[symbol], symbol))


def choose(
    ranked: Sequence[str],
    choice: MarketChoice,
    followed: Mapping[str, int | None],
    now_ms: int,
    *,
    vacant: int = 0,
) -> dict[str, int | None]:
    """The markets to follow, the largest first, each with when it fell below rank N (UTC ms), or None.

    `followed` is what this made the last time; empty for a first choice, which takes the N largest. So many
    places are `vacant` because their markets were delisted: the largest others take them, up to N in all.
    """
    if choice.largest is None:
        return dict.fromkeys(ranked)
    if not followed:
        return dict.fromkeys(ranked[: choice.largest])
    chosen: dict[str, int | None] = {}
    for place, symbol in enumerate(ranked, 1):
        if place <= choice.largest:
            if symbol in followed or place <= max(1, math.floor(_ENTERS_AT * choice.largest)):
                chosen[symbol] = None
        elif symbol in followed and place <= _LEAVES_BELOW * choice.largest:
            since_ms = followed[symbol]
            since_ms = now_ms if since_ms is None else since_ms
            if now_ms - since_ms < BELOW_FOR_MS:
                chosen[symbol] = since_ms
    others = [symbol for symbol in ranked if symbol not in chosen]
    chosen |= dict.fromkeys(others[: max(0, min(vacant, choice.largest - len(chosen)))])
    return {symbol: chosen[symbol] for symbol in ranked if symbol in chosen}
