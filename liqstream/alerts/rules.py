"""When to raise an alert: by the size and distance of a level, by a cascade, by a source that went silent."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec
import numpy as np

from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.market import Liquidation, Side

Kind = Literal["cluster", "cascade", "stale"]

MESSAGES: dict[Kind, str] = {
    "cluster": "{symbol}: {usd:,.0f} USD of {side}s at {price:,.10g}, {distance_percent:+.2f} % away",
    "cascade": "{symbol}: {usd:,.0f} USD liquidated within {window_s:.0f} s",
    "stale": "{symbol}: its source has been silent, the map is stale",
}


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of the alerts file.

    `min_usd` and `within_percent` are for clusters, `min_usd` and `window_s` for cascades. The same alert
    does not come again for `cooldown_s`. `message` is a template of the facts.
    """

    name: str
    kind: Kind
    to: list[str]
    symbol: str = "*"
    min_usd: float = 0.0
    within_percent: float = 1.0
    window_s: float = 60.0
    cooldown_s: float = 900.0
    message: str = ""

    def concerns(self, symbol: str) -> bool:
        """Whether the rule watches a symbol."""
        return self.symbol in ("*", symbol)

    def text(self, facts: dict[str, object]) -> str:
        """The message about these facts. Raises KeyError or ValueError for a template they do not fit."""
        return (self.message or MESSAGES[self.kind]).format_map(facts)


@dataclass(frozen=True, slots=True)
class Alert:
    """Something worth a message."""

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
class Watch:
    """Judges what it is shown by the rules. Times are monotonic seconds, passed in."""

    rules: Sequence[Rule]
    _quiet_until_s: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _liquidated: defaultdict[tuple[str, str], deque[tuple[float, Side, float]]] = field(
        default_factory=lambda: defaultdict(deque)
    )

    def see_map(self, snapshot: HeatmapSnapshot, now_s: float) -> Iterator[Alert]:
        """Alerts of a new map: levels near and large enough, and a source gone silent."""
        for rule in self._about("cluster", snapshot.symbol):
            for side in ("long", "short"):
                facts = _largest_near(snapshot, side, rule.within_percent)
                if facts is not None and float(str(facts["usd"])) >= rule.min_usd:
                    yield from self._raised(rule, side, facts, now_s)
        if snapshot.stale:
            for rule in self._about("stale", snapshot.symbol):
                yield from self._raised(rule, "", {"symbol": snapshot.symbol}, now_s)

    def see_liquidation(self, event: Liquidation, now_s: float) -> Iterator[Alert]:
        """Alerts of one more liquidation: the sum of the rule's window is large enough."""
        for rule in self._about("cascade", event.symbol):
            recent = self._liquidated[rule.name, event.symbol]
            recent.append((now_s, event.side, event.notional_usd))
            while recent[0][0] <= now_s - rule.window_s:
                recent.popleft()
            sides = {side: math.fsum(usd for _, s, usd in recent if s == side) for side in ("long", "short")}
            usd = sides["long"] + sides["short"]
            if usd >= rule.min_usd:
                facts = {
                    "symbol": event.symbol,
                    "usd": usd,
                    "long_usd": sides["long"],
                    "short_usd": sides["short"],
                    "window_s": rule.window_s,
                }
                yield from self._raised(rule, "", facts, now_s)

    def _about(self, kind: Kind, symbol: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.kind == kind and rule.concerns(symbol)]

    def _raised(self, rule: Rule, side: str, facts: dict[str, object], now_s: float) -> Iterator[Alert]:
        symbol = str(facts["symbol"])
        key = (rule.name, symbol, side)
        if now_s >= self._quiet_until_s.get(key, -math.inf):
            self._quiet_until_s[key] = now_s + rule.cooldown_s
            yield Alert(rule, symbol, rule.text(facts), facts)


def _largest_near(snapshot: HeatmapSnapshot, side: str, within_percent: float) -> dict[str, object] | None:
    """The largest level of a side within a distance of the price, None where nothing stands."""
    usd = snapshot.long if side == "long" else snapshot.short
    prices = snapshot.grid.prices()
    distance = 100 * (prices / snapshot.current_price - 1)
    near = np.where(np.abs(distance) <= within_percent, usd, 0)
    row = int(near.argmax())
    if not near[row]:
        return None
    return {
        "symbol": snapshot.symbol,
        "side": side,
        "usd": float(near[row]),
        "price": float(prices[row]),
        "distance_percent": float(distance[row]),
    }
