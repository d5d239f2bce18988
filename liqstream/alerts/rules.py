"""Rules: when to raise an alert, of the alerts file and of the page alike, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from string import Formatter
from typing import Annotated, Literal

import msgspec

from liqstream.supervision.timing import Timing

Kind = Literal["cluster", "cascade", "price", "sweep", "new_cluster", "stale"]

MESSAGES: dict[Kind, str] = {
    "cluster": "{symbol}: {usd:,.0f} USD of {side}s at {price:,.10g}, {distance_percent:+.2f} % away",
    "cascade": "{symbol}: {usd:,.0f} USD liquidated within {window_s:.0f} s",
    "price": "{symbol}: crossed {price:,.10g} {direction}",
    "sweep": "{symbol}: {amount} of {side}s at {price:,.10g} taken",
    "new_cluster": "{symbol}: new, {amount} of {side}s at {price:,.10g}, {distance_percent:+.2f} % away",
    "stale": "{symbol}: its source has been silent, the map is stale",
}
PAGE_MESSAGES: dict[Kind, str] = {
    **MESSAGES,
    "cluster": "{symbol}: {amount} of {side}s at {price:,.10g}, {distance_percent:+.2f} % away",
    "cascade": "{symbol}: {amount} liquidated within {window}",
}
"""Of rules that were set on the page: as the page writes figures."""

Usd = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
Percent = Annotated[float, msgspec.Meta(gt=0, le=100)]
WindowS = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Price = Annotated[float, msgspec.Meta(gt=0, le=1e12)]
CooldownS = Annotated[float, msgspec.Meta(gt=0, le=366 * 86_400)]
LONGEST_RANKED_S = 3600.0
"""Of a cascade by percentile: a day has enough of these windows, and rules few different ones."""
_TOO_WIDE = re.compile(r"[{}]|[0-9]{4}")
"""In a template's format: a width taken from the facts, or beyond what any receiver takes."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of the alerts file.

    `min_usd` is for clusters, sweeps and cascades; `min_percentile` for clusters and sweeps: at least as
    large as so many percent of the market's clusters; and for cascades: as of its last day's windows, which
    are whole minutes then, at most an hour. A rule that names neither takes any. `within_percent`
    is for clusters near the price and for new ones, `window_s` for cascades, `price` for prices. The same
    alert does not come again for `cooldown_s`. `message` is a template of the facts.
    """

    name: str
    kind: Kind
    to: list[str]
    symbol: str = "*"
    min_usd: Usd = 0.0
    min_percentile: Percent = 0.0
    within_percent: Percent = 1.0
    window_s: WindowS = 60.0
    price: Price = 0.0
    cooldown_s: CooldownS = 900.0
    message: str = ""

    def text(self, facts: Mapping[str, object]) -> str:
        """The message about these facts."""
        return _filled(self.message or MESSAGES[self.kind], facts)

    def problem(self) -> str | None:
        """What keeps the rule from ever being raised, in a sentence; None if nothing does."""
        if self.kind == "price":
            if not self.price:
                return "a price rule needs its price"
            if self.symbol == "*":
                return "a price rule is of one symbol"
        is_ranked = self.kind == "cascade" and self.min_percentile > 0
        if is_ranked and (self.window_s % 60 or self.window_s > LONGEST_RANKED_S):
            return "min_percentile of a cascade takes a window_s of whole minutes, 60 to 3600"
        return None

    def check_message(self) -> None:
        """Raise KeyError or ValueError for a template that does not fit the facts of the rule's kind."""
        facts = {**EXAMPLE_FACTS[self.kind], **_words(EXAMPLE_FACTS[self.kind])}
        for _, name, spec, _ in Formatter().parse(self.message):
            if name is not None and name not in facts:
                raise KeyError(name)
            if spec and _TOO_WIDE.search(spec):
                raise ValueError(f"{spec!r} is too wide")
        self.text(EXAMPLE_FACTS[self.kind])


FIGURES: dict[Kind, tuple[str, ...]] = {
    "cluster": ("min_usd", "min_percentile", "within_percent"),
    "cascade": ("min_usd", "min_percentile", "window_s"),
    "price": ("price",),
    "sweep": ("min_usd", "min_percentile"),
    "new_cluster": ("min_usd", "min_percentile", "within_percent"),
    "stale": (),
}
"""The figures that a rule of each kind is compared with; it has no others."""
_ALL_FIGURES = frozenset(name for names in FIGURES.values() for name in names)


def misfit(kind: Kind, given: Iterable[str]) -> str | None:
    """Which of the fields that were given mean nothing to a rule of this kind, and what it has instead.

    A sentence; None if there is none.
    """
    foreign = [name for name in given if name in _ALL_FIGURES and name not in FIGURES[kind]]
    if not foreign:
        return None
    has = ", ".join((*FIGURES[kind], "cooldown_s"))
    return f"a rule of kind {kind} has no {' and no '.join(foreign)}; it has {has}"


@dataclass(frozen=True, slots=True)
class OwnedRule:
    """A rule and whose it is: the hash of a secret, or "" for the alerts file; the rule's name is its id."""

    owner: str
    rule: Rule

    @property
    def key(self) -> tuple[str, str]:
        """What no other rule has."""
        return self.owner, self.rule.name

    @property
    def digest(self) -> str:
        """Another one for a rule that was changed."""
        return sha256(msgspec.json.encode(self.rule)).hexdigest()[:16]

    def cooldown_until_s(self, raised_ms: int, timing: Timing) -> float:
        """When a cooldown ends that began at a time, UTC ms, before a restart or elsewhere; on the clock."""
        # Never longer than the whole: the clock may have been set back.
        passed_s = max(0.0, (timing.now_ms() - raised_ms) / 1000)
        return timing.clock_s() + self.rule.cooldown_s - passed_s

    def text(self, facts: Mapping[str, object]) -> str:
        """The message about these facts."""
        return _filled(PAGE_MESSAGES[self.rule.kind], facts) if self.owner else self.rule.text(facts)


_CLUSTER_FACTS: dict[str, object] = {
    "symbol": "BTCUSDT",
    "side": "long",
    "usd": 1.0,
    "price": 1.0,
    "distance_percent": 1.0,
}
EXAMPLE_FACTS: dict[Kind, dict[str, object]] = {
    "cluster": _CLUSTER_FACTS,
    "cascade": {"symbol": "BTCUSDT", "usd": 1.0, "long_usd": 1.0, "short_usd": 1.0, "window_s": 1.0},
    "price": {"symbol": "BTCUSDT", "price": 1.0, "direction": "upwards"},
    "sweep": _CLUSTER_FACTS,
    "new_cluster": _CLUSTER_FACTS,
    "stale": {"symbol": "BTCUSDT"},
}
"""What a template may name, by the kind of rule; where there is `usd` also `amount`, e.g. $12.9M."""


def short_usd(usd: float) -> str:
    """An amount as the page writes it: $12.9M."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if usd >= 0.9995 * unit:
            figure = usd / unit
            digits = 2 if figure < 9.995 else 1 if figure < 99.95 else 0
            return f"${figure:.{digits}f}{name}"
    return f"${usd:.0f}"


def example(rule: Rule, symbol: str, price_usd: float = 100.0) -> dict[str, object]:
    """Facts as they might be when a rule is raised at a price, for a test of how it arrives."""
    facts = {**EXAMPLE_FACTS[rule.kind], "symbol": symbol}
    figures = {
        "usd": rule.min_usd or 1e6,
        "long_usd": rule.min_usd or 1e6,
        "short_usd": 0.0,
        "price": rule.price or price_usd,
        "distance_percent": 0.0,
        "window_s": rule.window_s,
    }
    return {name: figures.get(name, value) for name, value in facts.items()}


def _filled(template: str, facts: Mapping[str, object]) -> str:
    return template.format_map({**facts, **_words(facts)})


def _words(facts: Mapping[str, object]) -> dict[str, object]:
    """What templates may name beside the facts."""
    words: dict[str, object] = {}
    if isinstance(usd := facts.get("usd"), float | int):
        words["amount"] = short_usd(usd)
    if isinstance(window_s := facts.get("window_s"), float | int):
        whole = window_s >= 60 and window_s % 60 == 0
        words["window"] = f"{window_s / 60:.0f} min" if whole else f"{window_s:.0f} s"
    return words
