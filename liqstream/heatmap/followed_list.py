"""A chosen list of markets with all that its next choice needs, as it is kept, published and read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from liqstream.symbols import is_symbol

MOST_SYMBOLS = 10_000
DELISTED = "no exchange that is followed lists it any more"


@dataclass(frozen=True, slots=True)
class FollowedMarket:
    """Where a market is followed, and when it fell below the last rank (UTC ms; None: it has not)."""

    exchanges: tuple[str, ...]
    below_since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class FollowedList:
    """The markets, the largest first: what they were chosen by, and when (UTC ms; 0: not yet).

    `ended` says why each market left that did when this list was made.
    """

    choice: str
    ranked_ms: int
    markets: Mapping[str, FollowedMarket]
    ended: Mapping[str, str] = field(default_factory=dict)

    def by_exchange(self, exchanges: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """The symbols to follow at each of some exchanges."""
        return {
            exchange: tuple(symbol for symbol, each in self.markets.items() if exchange in each.exchanges)
            for exchange in exchanges
        }

    def document(self) -> dict[str, Any]:
        """The list as JSON takes it."""
        return {
            "v": 1,
            "choice": self.choice,
            "ranked_ms": self.ranked_ms,
            "markets": {
                symbol: {"exchanges": list(each.exchanges), "below_since_ms": each.below_since_ms}
                for symbol, each in self.markets.items()
            },
            "ended": dict(self.ended),
        }


def read_followed_list(document: Any) -> FollowedList:
    """The list a document holds. Raises ValueError for anything else, and for an empty one."""
    try:
        markets = {
            str(symbol): FollowedMarket(tuple(map(str, each["exchanges"])), _time(each["below_since_ms"]))
            for symbol, each in document["markets"].items()
        }
        ended = {str(symbol): str(reason)[:200] for symbol, reason in document.get("ended", {}).items()}
        found = FollowedList(str(document["choice"]), _time(document["ranked_ms"]) or 0, markets, ended)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no list of markets: {error!r}") from None
    if document.get("v") != 1 or not markets or len(markets) > MOST_SYMBOLS:
        raise ValueError("no list of markets of this version, or one of none or too many")
    if not all(map(is_symbol, (*markets, *ended))):
        raise ValueError("a list of markets with a name that is none")
    return found


def _time(value: object) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value < 2**53):
        raise ValueError(f"{value!r} is no time")
    return value
