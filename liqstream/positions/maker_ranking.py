"""Which makers fill most of the orders, so that their fills are listened to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection

from liqstream.market import MINUTE_MS
from liqstream.positions.tracker import AccountTrade

MOST_USERS = 10
"""Users whose fills the exchange sends to one address."""
KEPT_TO_RANK = 15
"""Who is listened to stays so until he has fallen below it: fewer changes, each of which misses something."""
RANKED_OVER_MS = 30 * MINUTE_MS
_BIN_MS = 5 * MINUTE_MS


def maker_of(trade: AccountTrade) -> str:
    """The account whose order stood in the book."""
    return trade.seller if trade.is_buy else trade.buyer


class MakerRanking:
    """Makers by the USD that they filled in the last half hour, over all coins whose trades are met."""

    def __init__(self) -> None:
        # Begin of five minutes, UTC ms, and USD by maker; the last six.
        self._bins: deque[tuple[int, Counter[str]]] = deque()

    def note(self, trade: AccountTrade) -> None:
        """Count a trade for its maker; with oneself it counts for nobody."""
        if trade.buyer == trade.seller:
            return
        begin_ms = trade.time_ms - trade.time_ms % _BIN_MS
        if not self._bins or self._bins[-1][0] < begin_ms:
            self._bins.append((begin_ms, Counter()))
            while self._bins[0][0] <= begin_ms - RANKED_OVER_MS:
                self._bins.popleft()
        self._bins[-1][1][maker_of(trade)] += round(trade.price * trade.size)

    def wanted(self, followed: Collection[str], excluded: Collection[str] = ()) -> list[str]:
        """At most ten makers to listen to, the largest first.

        Those `followed` stay while they are among the first fifteen; `excluded` accounts are left out.
        """
        filled: Counter[str] = Counter()
        for _, usd in self._bins:
            filled.update(usd)
        ranked = [address for address, _ in filled.most_common(KEPT_TO_RANK + len(excluded))]
        ranked = [address for address in ranked if address not in excluded][:KEPT_TO_RANK]
        kept = [address for address in ranked if address in followed][:MOST_USERS]
        new = [address for address in ranked if address not in followed][: MOST_USERS - len(kept)]
        return [address for address in ranked if address in {*kept, *new}]
