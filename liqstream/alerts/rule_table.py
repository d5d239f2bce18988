"""Rules as columns, so that thousands of them are compared with a cluster, a sum or a price at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from liqstream.alerts.rules import Kind, OwnedRule
from liqstream.market import FloatArray

Mask = NDArray[np.bool_]

_COLUMNS: dict[str, Callable[[OwnedRule], float]] = {
    "min_usd": lambda each: each.rule.min_usd,
    "min_percentile": lambda each: each.rule.min_percentile,
    "within_percent": lambda each: each.rule.within_percent,
    "window_s": lambda each: each.rule.window_s,
    "price": lambda each: each.rule.price,
}


class RuleTable:
    """Rules of one kind that watch the same symbol, or all of them; columns by the rule's field names.

    A cooldown is of a rule, symbol and side; it outlives a change of the table, not one of the rule.
    """

    def __init__(self) -> None:
        self.rules: list[OwnedRule] = []
        self.columns: dict[str, FloatArray] = {}
        # (symbol, side) -> s until which each rule is not raised again.
        self._quiet: dict[tuple[str, str], FloatArray] = {}

    def replace(self, rules: Iterable[OwnedRule]) -> None:
        """Hold these rules from now on."""
        rows = {each.key: (row, each) for row, each in enumerate(self.rules)}
        self.rules = list(rules)
        before = [rows.get(each.key) for each in self.rules]
        kept = np.array(
            [
                was[0] if was is not None and was[1] == each else -1
                for was, each in zip(before, self.rules, strict=True)
            ],
            dtype=np.int64,
        )
        for key, quiet in self._quiet.items():
            self._quiet[key] = np.where(kept >= 0, np.append(quiet, -np.inf)[kept], -np.inf)
        self.columns = {
            name: np.array([read(each) for each in self.rules], dtype=np.float64)
            for name, read in _COLUMNS.items()
        }

    def due(self, symbol: str, side: str, mask: Mask, now_s: float) -> list[int]:
        """Rows of the mask that are in no cooldown."""
        quiet = self._quiet.get((symbol, side))
        hits = np.flatnonzero(mask if quiet is None else mask & (quiet <= now_s))
        return [int(row) for row in hits]

    def begin_cooldown(self, symbol: str, side: str, row: int, now_s: float) -> None:
        """Raise a rule not again for this symbol and side until its cooldown is over."""
        self.silence(symbol, side, row, now_s + self.rules[row].rule.cooldown_s)

    def silence(self, symbol: str, side: str, row: int, until_s: float) -> None:
        """Raise a rule not for this symbol and side until then, nor before a cooldown that ends later."""
        quiet = self._quiet.get((symbol, side))
        if quiet is None:
            quiet = self._quiet[symbol, side] = np.full(len(self.rules), -np.inf)
        quiet[row] = max(quiet[row], until_s)


class RuleBook:
    """All rules, in tables by kind and symbol that are made anew once they are asked for."""

    def __init__(self, rules: Iterable[OwnedRule] = ()) -> None:
        self._rules: defaultdict[tuple[Kind, str], dict[tuple[str, str], OwnedRule]] = defaultdict(dict)
        self._places: dict[tuple[str, str], tuple[Kind, str]] = {}
        self._tables: defaultdict[tuple[Kind, str], RuleTable] = defaultdict(RuleTable)
        self._changed: set[tuple[Kind, str]] = set()
        for rule in rules:
            self.put(rule)

    def __len__(self) -> int:
        return len(self._places)

    def put(self, rule: OwnedRule) -> None:
        """Hold a rule in place of the one of its key."""
        place = (rule.rule.kind, rule.rule.symbol)
        if self._places.get(rule.key) not in (None, place):
            self.remove(rule.key)
        self._places[rule.key] = place
        self._rules[place][rule.key] = rule
        self._changed.add(place)

    def remove(self, key: tuple[str, str]) -> None:
        """Hold a rule no longer; nothing happens without it."""
        place = self._places.pop(key, None)
        if place is not None:
            del self._rules[place][key]
            self._changed.add(place)

    def silence(self, key: tuple[str, str], symbol: str, side: str, until_s: float) -> None:
        """Go on with a cooldown that began elsewhere; nothing happens without the rule."""
        place = self._places.get(key)
        if place is not None:
            table = self._table(place)
            row = next(row for row, each in enumerate(table.rules) if each.key == key)
            table.silence(symbol, side, row, until_s)

    def tables(self, kind: Kind, symbol: str) -> list[RuleTable]:
        """The tables of a kind that watch a symbol; none that is empty."""
        return [self._table(place) for place in ((kind, symbol), (kind, "*")) if self._rules.get(place)]

    def watches(self, symbol: str, kinds: Iterable[Kind]) -> bool:
        """Whether any rule of these kinds watches a symbol."""
        return any(self._rules.get((kind, scope)) for kind in kinds for scope in (symbol, "*"))

    def _table(self, place: tuple[Kind, str]) -> RuleTable:
        table = self._tables[place]
        if place in self._changed:
            self._changed.discard(place)
            table.replace(self._rules[place].values())
        return table
