"""The one evaluator of rules: of the alerts file and of the page, by what clusters are to map and page.

What it costs grows with maps, clusters and liquidations, and hardly with rules: all rules of a kind are
compared at once (rule_table.py), and only those that are raised are looked at one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from liqstream.alerts.cluster_watch import ClusterWatch, Growth, SizedCluster
from liqstream.alerts.liquidated import Liquidated
from liqstream.alerts.rule_table import Mask, RuleBook, RuleTable
from liqstream.alerts.rules import Kind, OwnedRule
from liqstream.heatmap.clusters import Cluster, find_clusters
from liqstream.heatmap.price_track import PriceSince
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Liquidation, Side

SIDES: tuple[Side, Side] = ("long", "short")
OF_CLUSTERS: tuple[Kind, ...] = ("cluster", "sweep", "new_cluster")
OF_MAPS: tuple[Kind, ...] = (*OF_CLUSTERS, "price", "stale")
"""What a map is looked at for."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that applies to a symbol now, with its message and the facts it is made of."""

    owned: OwnedRule
    symbol: str
    text: str
    facts: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Due:
    """Rules to raise about one thing: their table, which of its rows, and the side of their cooldown."""

    table: RuleTable
    mask: Mask
    side: str
    facts: dict[str, object]


class Evaluator:
    """Holds the rules, and what each market has been seen to do.

    `now_s` is monotonic, in s. Alerts are raised while the returned iterator is read. A rule that fails goes
    to `on_failure` with its error, each time, and begins no cooldown; the others go on.
    """

    def __init__(
        self,
        rules: Iterable[OwnedRule] = (),
        on_failure: Callable[[OwnedRule, Exception], None] = lambda _rule, _error: None,
    ) -> None:
        self.rules = RuleBook(rules)
        self.on_failure = on_failure
        self._watches: defaultdict[str, ClusterWatch] = defaultdict(ClusterWatch)  # by symbol
        self._found: dict[str, tuple[HeatmapSnapshot, list[Cluster]]] = {}  # in the newest map, by symbol
        self._prices: dict[str, float] = {}  # at the look before, USD, by symbol
        self._liquidated: defaultdict[str, Liquidated] = defaultdict(Liquidated)  # by symbol

    def on_snapshot(
        self, snapshot: HeatmapSnapshot, now_s: float, since: PriceSince | None = None
    ) -> Iterator[Alert]:
        """Alerts of a new map; `since` is what the price has passed since the one before, where known."""
        symbol, price = snapshot.symbol, snapshot.current_price
        before = self._prices.get(symbol, price)
        self._prices[symbol] = price
        passed = _passed(before, price, since)
        found: list[_Due] = []
        if snapshot.stale:
            found += [
                _Due(table, _all(table), "", {"symbol": symbol})
                for table in self.rules.tables("stale", symbol)
            ]
        elif self.rules.watches(symbol, OF_CLUSTERS):
            found += self._of_clusters(snapshot, passed, now_s)
        for due in found:
            yield from self._raised(symbol, due, now_s)
        yield from self._of_prices(symbol, before, passed, now_s)

    def on_liquidations(self, liquidations: Sequence[Liquidation], now_s: float) -> Iterator[Alert]:
        """Alerts of liquidations that have just come, where the sum of a rule's window is large enough.

        However many came, each market is compared once.
        """
        symbols = dict.fromkeys(each.symbol for each in liquidations)
        watched = {symbol for symbol in symbols if self.rules.watches(symbol, ("cascade",))}
        for each in liquidations:
            if each.symbol in watched:
                self._liquidated[each.symbol].add(each.side, each.notional_usd, now_s)
        for symbol in symbols:
            if symbol in watched:
                for table in self.rules.tables("cascade", symbol):
                    yield from self._of_cascades(table, symbol, now_s)

    def forget(self, symbol: str) -> None:
        """Forget what a market did that is not followed any more."""
        for kept in (self._watches, self._found, self._prices, self._liquidated):
            kept.pop(symbol, None)

    def _of_clusters(
        self, snapshot: HeatmapSnapshot, passed: tuple[float, float], now_s: float
    ) -> Iterator[_Due]:
        symbol = snapshot.symbol
        look = self._watches[symbol].look(snapshot, self._clusters_of(snapshot), passed, now_s)
        for table in self.rules.tables("cluster", symbol):
            for each in look.clusters:
                yield _Due(
                    table, _near(table, each, snapshot), each.cluster.side, _facts(snapshot, each.cluster)
                )
        for table in self.rules.tables("sweep", symbol):
            for each in look.swept:
                yield _Due(table, _as_large(table, each), each.cluster.side, _facts(snapshot, each.cluster))
        for table in self.rules.tables("new_cluster", symbol):
            for growth in look.grown:
                cluster = growth.now.cluster
                yield _Due(table, _new(table, growth, snapshot), cluster.side, _facts(snapshot, cluster))

    def _clusters_of(self, snapshot: HeatmapSnapshot) -> list[Cluster]:
        """Of both sides; found once for a map that stays the same."""
        known = self._found.get(snapshot.symbol)
        if known is None or known[0] is not snapshot:
            sides = (find_clusters(side, snapshot.long, snapshot.short, snapshot.grid) for side in SIDES)
            known = self._found[snapshot.symbol] = (snapshot, [each for found in sides for each in found])
        return known[1]

    def _of_prices(
        self, symbol: str, before: float, passed: tuple[float, float], now_s: float
    ) -> Iterator[Alert]:
        low, high = passed
        if low == high:
            return
        for table in self.rules.tables("price", symbol):
            levels = table.columns["price"]
            crossed = (levels >= low) & (levels <= high) & (levels != before)
            for row in table.due(symbol, "", crossed, now_s):
                price = float(levels[row])
                direction = "upwards" if price > before else "downwards"
                facts: dict[str, object] = {"symbol": symbol, "price": price, "direction": direction}
                yield from self._raise(table, row, symbol, "", facts, now_s)

    def _of_cascades(self, table: RuleTable, symbol: str, now_s: float) -> Iterator[Alert]:
        windows_s, least = table.columns["window_s"], table.columns["min_percentile"]
        liquidated = self._liquidated[symbol]
        long_usd, short_usd = liquidated.sums(windows_s, now_s)
        large: Mask = long_usd + short_usd >= table.columns["min_usd"]
        ranked = np.flatnonzero(large & (least > 0))
        if len(ranked):
            usd = (long_usd + short_usd)[ranked]
            large[ranked] = liquidated.percentiles(windows_s[ranked], usd, now_s) >= least[ranked]
        for row in table.due(symbol, "", large, now_s):
            facts: dict[str, object] = {
                "symbol": symbol,
                "usd": float(long_usd[row] + short_usd[row]),
                "long_usd": float(long_usd[row]),
                "short_usd": float(short_usd[row]),
                "window_s": float(windows_s[row]),
            }
            yield from self._raise(table, row, symbol, "", facts, now_s)

    def _raised(self, symbol: str, due: _Due, now_s: float) -> Iterator[Alert]:
        for row in due.table.due(symbol, due.side, due.mask, now_s):
            yield from self._raise(due.table, row, symbol, due.side, due.facts, now_s)

    def _raise(
        self, table: RuleTable, row: int, symbol: str, side: str, facts: dict[str, object], now_s: float
    ) -> Iterator[Alert]:
        owned = table.rules[row]
        try:
            alert = Alert(owned, symbol, owned.text(facts), facts)
        except Exception as error:  # noqa: BLE001  # whatever one rule meets, the others go on
            self.on_failure(owned, error)
            return
        # Afterwards: a rule that fails is not silent for as long.
        table.begin_cooldown(symbol, side, row, now_s)
        yield alert


def _passed(before: float, price: float, since: PriceSince | None) -> tuple[float, float]:
    """The lowest and highest price since the look before."""
    prices = [before, price]
    if since is not None and since.is_moved:
        prices += [each for each in (since.low, since.high) if np.isfinite(each)]
    return min(prices), max(prices)


def _all(table: RuleTable) -> Mask:
    return np.ones(len(table.rules), dtype=np.bool_)


def _as_large(table: RuleTable, sized: SizedCluster) -> Mask:
    columns = table.columns
    mask: Mask = (columns["min_usd"] <= sized.cluster.usd) & (columns["min_percentile"] <= sized.percentile)
    return mask


def _near(table: RuleTable, sized: SizedCluster, snapshot: HeatmapSnapshot) -> Mask:
    away = abs(100 * sized.cluster.distance(snapshot.current_price))
    mask: Mask = _as_large(table, sized) & (table.columns["within_percent"] >= away)
    return mask


def _new(table: RuleTable, growth: Growth, snapshot: HeatmapSnapshot) -> Mask:
    """Rules that would not have counted the cluster as it was before."""
    columns = table.columns
    was: Mask = (
        (columns["min_usd"] <= growth.before_usd)
        & (columns["min_percentile"] <= growth.before_percentile)
        & (growth.before_usd > 0)
    )
    mask: Mask = _near(table, growth.now, snapshot) & ~was
    return mask


def _facts(snapshot: HeatmapSnapshot, cluster: Cluster) -> dict[str, object]:
    return {
        "symbol": snapshot.symbol,
        "side": cluster.side,
        "usd": cluster.usd,
        "price": cluster.price,
        "distance_percent": 100 * cluster.distance(snapshot.current_price),
    }
