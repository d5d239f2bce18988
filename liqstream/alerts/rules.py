"""When to raise an alert: by the size and distance of a level, by a cascade, by a stale source."""

from __future__ import annotations

import math
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Annotated, Literal

import msgspec

from liqstream.heatmap.clusters import Cluster, find_clusters
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Liquidation, Side

Kind = Literal["cluster", "cascade", "stale"]

MESSAGES: dict[Kind, str] = {
    "cluster": "{symbol}: {usd:,.0f} USD of {side}s at {price:,.10g}, {distance_percent:+.2f} % away",
    "cascade": "{symbol}: {usd:,.0f} USD liquidated within {window_s:.0f} s",
    "stale": "{symbol}: its source has been silent, the map is stale",
}


SIDES: tuple[Side, Side] = ("long", "short")

Usd = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
Percent = Annotated[float, msgspec.Meta(gt=0, le=100)]
WindowS = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
CooldownS = Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)]
_TOO_WIDE = re.compile(r"[{}]|[0-9]{4}")
"""In a template's format: a width taken from the facts, or beyond what any receiver takes."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of the alerts file.

    `min_usd` and `within_percent` are for clusters, `min_usd` and `window_s` for cascades; a rule that names
    no `min_usd` takes any. The same alert does not come again for `cooldown_s`. `message` is a template of
    the facts.
    """

    name: str
    kind: Kind
    to: list[str]
    symbol: str = "*"
    min_usd: Usd = 0.0
    within_percent: Percent = 1.0
    window_s: WindowS = 60.0
    cooldown_s: CooldownS = 900.0
    message: str = ""

    def concerns(self, symbol: str) -> bool:
        """Whether the rule watches a symbol."""
        return self.symbol in ("*", symbol)

    def text(self, facts: dict[str, object]) -> str:
        """The message about these facts."""
        return (self.message or MESSAGES[self.kind]).format_map(facts)

    def check_message(self) -> None:
        """Raise KeyError or ValueError for a template that does not fit the facts of the rule's kind."""
        facts = EXAMPLE_FACTS[self.kind]
        for _, name, spec, _ in Formatter().parse(self.message):
            if name is not None and name not in facts:
                raise KeyError(name)
            if spec and _TOO_WIDE.search(spec):
                raise ValueError(f"{spec!r} is too wide")
        self.text(facts)


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule that applies to a symbol now, with its message and the facts it is made of."""

    rule: Rule
    symbol: str
    text: str
    facts: dict[str, object]


EXAMPLE_FACTS: dict[Kind, dict[str, object]] = {
    "cluster": {"symbol": "BTCUSDT", "side": "long", "usd": 1.0, "price": 1.0, "distance_percent": 1.0},
    "cascade": {"symbol": "BTCUSDT", "usd": 1.0, "long_usd": 1.0, "short_usd": 1.0, "window_s": 1.0},
    "stale": {"symbol": "BTCUSDT"},
}
"""What a template may name, by the kind of rule."""


@dataclass
class RuleState:
    """The rules, and what each has seen: alerts in their cooldown, liquidations of the last window.

    `now_s` is monotonic, in s. Alerts are raised while the returned iterator is read. A rule that fails goes
    to `on_failure` with its error, each time; the others go on.
    """

    rules: Sequence[Rule]
    on_failure: Callable[[Rule, Exception], None] = lambda _rule, _error: None
    # (rule, symbol, side) -> now_s until which the same alert does not come again.
    _cooldown_until_s: dict[tuple[str, str, str], float] = field(default_factory=dict)
    # (rule, symbol) -> time, side and USD of each liquidation of the rule's window.
    _liquidated: defaultdict[tuple[str, str], deque[tuple[float, Side, float]]] = field(
        default_factory=lambda: defaultdict(deque)
    )

    def on_snapshot(self, snapshot: HeatmapSnapshot, now_s: float) -> Iterator[Alert]:
        """Alerts of a new map: clusters near and large enough, and a stale source."""
        rules = self._rules_for("cluster", snapshot.symbol)
        for side in SIDES if rules else ():
            clusters = find_clusters(side, snapshot.long, snapshot.short, snapshot.grid)
            for rule in rules:
                yield from self._isolated(rule, self._of_clusters(rule, snapshot, clusters, now_s))
        if snapshot.stale:
            for rule in self._rules_for("stale", snapshot.symbol):
                alerts = self._raise_once(rule, "", {"symbol": snapshot.symbol}, now_s)
                yield from self._isolated(rule, alerts)

    def _of_clusters(
        self, rule: Rule, snapshot: HeatmapSnapshot, clusters: Sequence[Cluster], now_s: float
    ) -> Iterator[Alert]:
        """Of the clusters of one side."""
        largest = _largest_near(clusters, snapshot.current_price, rule.within_percent)
        if largest is not None and largest.usd >= rule.min_usd:
            yield from self._raise_once(rule, largest.side, _cluster_facts(snapshot, largest), now_s)

    def on_liquidation(self, liquidation: Liquidation, now_s: float) -> Iterator[Alert]:
        """Alerts of one more liquidation: the sum of the rule's window is large enough."""
        for rule in self._rules_for("cascade", liquidation.symbol):
            yield from self._isolated(rule, self._of_liquidation(rule, liquidation, now_s))

    def _of_liquidation(self, rule: Rule, liquidation: Liquidation, now_s: float) -> Iterator[Alert]:
        recent = self._liquidated[rule.name, liquidation.symbol]
        recent.append((now_s, liquidation.side, liquidation.notional_usd))
        while recent[0][0] <= now_s - rule.window_s:
            recent.popleft()
        sides = {side: math.fsum(usd for _, s, usd in recent if s == side) for side in ("long", "short")}
        usd = sides["long"] + sides["short"]
        if usd >= rule.min_usd:
            facts = {
                "symbol": liquidation.symbol,
                "usd": usd,
                "long_usd": sides["long"],
                "short_usd": sides["short"],
                "window_s": rule.window_s,
            }
            yield from self._raise_once(rule, "", facts, now_s)

    def _isolated(self, rule: Rule, alerts: Iterable[Alert]) -> Iterator[Alert]:
        try:
            yield from alerts
        except Exception as error:  # noqa: BLE001  # whatever one rule meets, the others go on
            self.on_failure(rule, error)

    def _rules_for(self, kind: Kind, symbol: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.kind == kind and rule.concerns(symbol)]

    def _raise_once(self, rule: Rule, side: str, facts: dict[str, object], now_s: float) -> Iterator[Alert]:
        symbol = str(facts["symbol"])
        key = (rule.name, symbol, side)
        if now_s >= self._cooldown_until_s.get(key, -math.inf):
            # Before the cooldown begins: a rule that fails is not silent for as long.
            alert = Alert(rule, symbol, rule.text(facts), facts)
            self._cooldown_until_s[key] = now_s + rule.cooldown_s
            yield alert


def _largest_near(clusters: Sequence[Cluster], price_usd: float, within_percent: float) -> Cluster | None:
    """The largest of clusters, largest first, whose peak is within a distance of the price."""
    return next((each for each in clusters if abs(100 * each.distance(price_usd)) <= within_percent), None)


def _cluster_facts(snapshot: HeatmapSnapshot, cluster: Cluster) -> dict[str, object]:
    return {
        "symbol": snapshot.symbol,
        "side": cluster.side,
        "usd": cluster.usd,
        "price": cluster.price,
        "distance_percent": 100 * cluster.distance(snapshot.current_price),
    }
