"""What the simulated exchange knows of one exchange's interface, and how its numbers are written.

Nothing here or in a dialect is taken from the feeds: what judges them must not share their mistakes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from aiohttp import web

from liqstream.simulator.ledger import Fill
from liqstream.simulator.limits import Limit, Usage
from liqstream.simulator.market import Bar, SimulatedMarket

Message = dict[str, Any]


def text(value: float) -> str:
    """A number the way exchanges write it: digits, no exponent."""
    return f"{value:.10f}".rstrip("0").rstrip(".") or "0"


@dataclass(frozen=True, slots=True)
class MarketSpan:
    """What happened from `since_ms` to `now_ms` (the market's time), for the messages of one round.

    `skew_ms` is how far the exchange's clock is off; `fills` are by symbol; `open_interest` is what the
    exchange reports, in base coin, of a symbol at a time."""

    market: SimulatedMarket
    since_ms: int
    now_ms: int
    skew_ms: int
    fills: Mapping[str, Sequence[Fill]]
    open_interest: Callable[[str, int], float]
    readings: Mapping[str, str] = field(default_factory=dict)
    """How what no document settles is meant, by exchange; see each dialect."""

    @property
    def sent_ms(self) -> int:
        """The exchange's own time."""
        return self.now_ms + self.skew_ms

    def bars(self, symbol: str, interval_ms: int) -> list[Bar]:
        """The bars that closed in the round, and the forming one."""
        first_ms = self.since_ms - self.since_ms % interval_ms
        bars = self.market.bars(
            symbol, interval_ms, start_ms=first_ms, end_ms=self.now_ms + 1, now_ms=self.now_ms
        )
        return [bar for bar in bars if not bar.closed or bar.open_time_ms + interval_ms > self.since_ms]


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a response or message carries times and amounts (prices, sizes): names of members, or places in a
    row of plain values."""

    times: tuple[str | int, ...] = ()
    amounts: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request refused in the exchange's own words."""

    status: int
    body: str


def _no_headers(_usage: Usage) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Dialect:
    """One exchange's interface.

    `endpoints` and `channels` name everything that can fail, by path (or by question, where one path answers
    all) and by kind of subscription. `endpoint_of` says which endpoint a request asks and `symbol_of` about
    which of our symbols ("" for none); `channel_of` says which channel and symbol a subscription is.
    `messages` is what a subscription has to say of a round. `passing` and `item` refuse a request because of
    the moment, or because of what was asked for. `costs_of` is what a request to an endpoint with this answer
    counts towards each of `limits`; what is too much is refused with `over_limit`. `prefix` begins its
    paths, where another exchange has the same. A socket to which nothing was sent for `silence_s` is closed.
    """

    name: str
    routes: Sequence[web.RouteDef]
    endpoints: Mapping[str, Fields]
    channels: Mapping[str, Fields]
    endpoint_of: Callable[[web.Request], Awaitable[str]]
    symbol_of: Callable[[web.Request], Awaitable[str]]
    channel_of: Callable[[str], tuple[str, str]]
    messages: Callable[[MarketSpan, str], list[Message]]
    passing: Sequence[Refusal]
    item: Sequence[Refusal]
    limits: Mapping[str, Limit]
    costs_of: Callable[[web.Request, str, bytes], Mapping[str, int]]
    over_limit: Refusal
    used_headers: Callable[[Usage], Mapping[str, str]] = _no_headers
    prefix: str = ""
    silence_s: float = inf


async def path_of(request: web.Request) -> str:
    """The endpoint, where each has a path of its own."""
    return request.path


def reported_fills(fills: Sequence[Fill], every_ms: int = 1000) -> list[Fill]:
    """The liquidations reported by an exchange that sends at most one in `every_ms`: the last of each."""
    latest = {fill.time_ms // every_ms: fill for fill in fills}
    return [latest[second] for second in sorted(latest)]
