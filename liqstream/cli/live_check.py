"""Listening to exchanges for a while: which channels send something, and whether units and sides agree.

Nothing is stored. Each exchange's feed is the one that `serve` runs; what came by its sockets is compared
with its REST interface, and with the other exchanges.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.table import Table

from liqstream.cli.doctor_checks import Check
from liqstream.feeds.exchange_feed import ExchangeFeed
from liqstream.feeds.feed import FeedError
from liqstream.feeds.registry import VENUES
from liqstream.feeds.venue_state import VenueState, state_path
from liqstream.ingest.feed_factory import exchange_feed
from liqstream.market import (
    MINUTE_MS,
    Candle,
    Liquidation,
    MarketEvent,
    MarketKey,
    MarkPrice,
    OpenInterest,
)
from liqstream.settings.table import Settings
from liqstream.symbols import interval_ms

WAIT_S = 20.0
"""How long every channel may take to say something."""
REST_BARS = 12
"""So many bars are asked for by REST, to compare with."""
MOST_APART = 0.02
"""Prices of one coin on two exchanges, and a bar's turnover and its volume at its prices, differ by less."""
MOST_STEP = 1.5
"""Open interest by socket and by REST, minutes apart, differs by less than this factor."""
LEAST_SIDED = 5
"""So many liquidations are needed to judge their side."""
LINGER_S = 1.0
"""So long a refusal may still be under way once every channel has spoken."""
REQUIRED = ("bars", "marks", "open interest")
MINUTES = "one-minute bars"


@dataclass(slots=True)
class MarketReport:
    """What one market sent. `mute` names the channels that sent nothing, `refused` those that the exchange
    refuses, `doubts` what does not agree; prices in USD, open interest in base coin."""

    exchange: str
    symbol: str
    required: tuple[str, ...] = REQUIRED
    """What must have come; MINUTES where they stand beside longer bars."""
    live: Counter[str] = field(default_factory=Counter)
    price_usd: float | None = None
    open_interest_base: float | None = None
    rest_open_interest_base: float | None = None
    sided: Counter[bool] = field(default_factory=Counter)
    """Liquidations whose price lies on the side of the market where theirs are, and those that do not."""
    by_rest: Collection[str] = ()
    """What came by REST alone, though there is a channel for it."""
    mute: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    error: str = ""
    unproven: dict[str, str] = field(default_factory=dict)
    """What no document settles of the exchange, each with how its comparison stands."""

    @property
    def is_sound(self) -> bool:
        """Whether every channel speaks and nothing contradicts."""
        return not (self.mute or self.refused or self.doubts or self.error)

    @property
    def is_complete(self) -> bool:
        """Whether every channel has sent something."""
        return all(self.live[kind] for kind in self.required)

    @property
    def open_interest_usd(self) -> float | None:
        """Open interest at the mark price."""
        if self.open_interest_base is None or self.price_usd is None:
            return None
        return self.open_interest_base * self.price_usd

    def take_history(self, record: MarketEvent) -> None:
        """A record of the REST interface."""
        if isinstance(record, OpenInterest):
            self.rest_open_interest_base = record.open_interest_base

    def take(self, record: MarketEvent) -> None:
        """A record of the present; closed bars may be REST's."""
        match record:
            case Candle(closed=False):
                is_minute = MINUTES in self.required and record.interval_ms == MINUTE_MS
                self.live[MINUTES if is_minute else "bars"] += 1
                self._check_volume(record)
            case MarkPrice():
                self.live["marks"] += 1
                self.price_usd = record.price_usd
            case OpenInterest():
                self.live["open interest"] += 1
                self.open_interest_base = record.open_interest_base
            case Liquidation():
                self.live["liquidations"] += 1
                if self.price_usd is not None:
                    # A long goes bankrupt below the market, a short above it.
                    self.sided[(record.price_usd <= self.price_usd) == (record.side == "long")] += 1
            case _:
                pass

    def _check_volume(self, bar: Candle) -> None:
        if not bar.volume_base or not bar.volume_quote_usd:
            return
        price = bar.volume_quote_usd / bar.volume_base
        if not bar.low * (1 - MOST_APART) <= price <= bar.high * (1 + MOST_APART):
            self._doubt(f"a bar's turnover is {price:.6g} USD per coin at prices around {bar.close:.6g}")

    def judge(self, others_price_usd: float | None) -> None:
        """Name what is mute and what does not agree; `others_price_usd` is the other exchanges' price."""
        self.mute = [kind for kind in self.required if not self.live[kind] or kind in self.by_rest]
        held, by_rest = self.open_interest_base, self.rest_open_interest_base
        if held and by_rest and not 1 / MOST_STEP < held / by_rest < MOST_STEP:
            self._doubt(f"open interest is {held:.6g} by socket, {by_rest:.6g} by REST")
        if self.price_usd and others_price_usd and abs(self.price_usd / others_price_usd - 1) > MOST_APART:
            self._doubt(f"the price is {self.price_usd:.6g}, elsewhere {others_price_usd:.6g}")
        if self.sided.total() >= LEAST_SIDED and self.sided[False] > self.sided[True]:
            self._doubt(
                f"{self.sided[False]} of {self.sided.total()} liquidations lie on the other side of the price"
            )

    def _doubt(self, what: str) -> None:
        if not self.doubts:
            self.doubts.append(what)


async def listen(settings: Settings, names: Sequence[str], live_s: float | None) -> list[MarketReport]:
    """Every market of these exchanges, in order: for `live_s` seconds, or (None) until each channel has sent
    something, at most WAIT_S. Raises SourceError."""
    feeds = {name: exchange_feed(settings, name) for name in names}
    found = await asyncio.gather(*(_listen_to(feed, settings, live_s) for feed in feeds.values()))
    reports = [report for reports in found for report in reports]
    for report in reports:
        others = [
            other.price_usd
            for other in reports
            if other.symbol == report.symbol and other is not report and other.price_usd
        ]
        report.judge(statistics.median(others) if others else None)
    return reports


async def _listen_to(feed: ExchangeFeed, settings: Settings, live_s: float | None) -> list[MarketReport]:
    required = (*REQUIRED, MINUTES) if feed.has_minutes else REQUIRED
    reports = {symbol: MarketReport(feed.exchange, symbol, required) for symbol in settings.symbols}
    error = ""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                await _take_history(feed, settings, reports)
        async with asyncio.timeout(WAIT_S if live_s is None else live_s) as limit:
            async with aclosing(feed.events()) as batches:
                await _take_live(batches, reports, limit if live_s is None else None)
    except TimeoutError:
        pass
    except FeedError as problem:
        error = str(problem)
    finally:
        await feed.close()
    for symbol, report in reports.items():
        report.by_rest = {kind.replace("_", " ") for kind in feed.mute_kinds(symbol)}
        report.refused = feed.refused_topics(symbol)
        report.error = error or ("" if report.is_complete else feed.status.last_error)
        report.unproven = dict(feed.status.unproven)
    return list(reports.values())


async def _take_history(feed: ExchangeFeed, settings: Settings, reports: dict[str, MarketReport]) -> None:
    step_ms = interval_ms(settings.interval)
    newest_ms = (time.time_ns() // 1_000_000 // step_ms - REST_BARS) * step_ms
    known: dict[MarketKey, int | None] = {MarketKey(feed.exchange, symbol): newest_ms for symbol in reports}
    async with aclosing(feed.backfill(known)) as batches:
        async for batch in batches:
            for record in _about(batch, reports):
                reports[record.symbol].take_history(record)


async def _take_live(
    batches: AsyncGenerator[Sequence[MarketEvent]],
    reports: dict[str, MarketReport],
    limit: asyncio.Timeout | None,
) -> None:
    """Until the end of time; `limit` ends soon once every channel has spoken."""
    async for batch in batches:
        for record in _about(batch, reports):
            reports[record.symbol].take(record)
        if limit is not None and all(report.is_complete for report in reports.values()):
            limit.reschedule(asyncio.get_running_loop().time() + LINGER_S)
            limit = None


def _about(batch: Iterable[MarketEvent], reports: dict[str, MarketReport]) -> list[MarketEvent]:
    return [record for record in batch if record.symbol in reports]


def channels_check(name: str, reports: Sequence[MarketReport]) -> Check:
    """An exchange's channels as one line: what is mute, what does not agree, or how much came."""
    faults = [f"{report.symbol}: {'; '.join(parts)}" for report in reports if (parts := _faults_of(report))]
    if faults:
        cure = (
            "check the addresses (old ones acknowledge and stay silent), and that no proxy or firewall holds "
            "sockets back; what does not agree: docs/operations.md"
        )
        return Check(f"{name} channels", "fault", " | ".join(faults), cure)
    received = [
        f"{report.symbol} {', '.join(f'{count} {kind}' for kind, count in sorted(report.live.items()))}"
        for report in reports
    ]
    return Check(f"{name} channels", "ok", "; ".join(received))


async def keep_verdicts(settings: Settings, name: str, reports: Sequence[MarketReport]) -> Check | None:
    """How what no document settles of an exchange stands; what nothing but this comparison can tell of is
    kept beside the store, where a running server reads it. None for an exchange without any."""
    venue = VENUES[name]
    if not reports or not reports[0].unproven:
        return None
    faults = [part for report in reports for part in _faults_of(report)]
    date = datetime.now(UTC).date()
    sentence = f"doctor compared socket, REST and other exchanges on {date}: " + (
        f"they do not agree ({faults[0]})" if faults else "they agree"
    )
    state = VenueState(state_path(settings.db_path), lambda: time.time_ns() // 1_000_000)
    await state.sync()
    compared = [about for about in venue.unproven if _was_compared(about, reports)]
    for about in compared:
        state.save_verdict(name, about, {"verdict": sentence, "decided_ms": time.time_ns() // 1_000_000})
    await state.sync()
    found = reports[0].unproven | dict.fromkeys(compared, sentence)
    is_off = any(": off, " in each for each in found.values())
    text = "; ".join(
        each if about in venue.questions else f"{about}: {each}" for about, each in found.items()
    )
    cure = "leave the exchange out, or see docs/operations.md for what goes without it" if is_off else ""
    return Check(f"{name} unproven", "advice" if is_off else "ok", text, cure)


def _was_compared(about: str, reports: Sequence[MarketReport]) -> bool:
    """Whether a look can tell of a fact: open interest it always compares, liquidations once some came."""
    if about.startswith("open interest"):
        return True
    return "liquidations" in about and sum(report.sided.total() for report in reports) >= LEAST_SIDED


def _faults_of(report: MarketReport) -> list[str]:
    mute = [f"nothing on {', '.join(report.mute)}"] if report.mute else []
    refused = [f"{', '.join(report.refused)} refused"] if report.refused else []
    return [*mute, *refused, *report.doubts, *([report.error] if report.error else [])]


def live_table(reports: Sequence[MarketReport], live_s: float) -> Table:
    """What each market sent in `live_s` seconds, a row each; fit to be sent to somebody."""
    table = Table(title=f"Received in {live_s:g} s", title_justify="left")
    for column in ("exchange", "symbol"):
        table.add_column(column)
    kinds = (*REQUIRED, MINUTES, "liquidations")
    for column in ("price USD", "open interest USD", *kinds):
        table.add_column(column, justify="right")
    table.add_column("finding", overflow="fold")
    for report in reports:
        counts = [str(report.live[kind]) for kind in kinds]
        amounts = [
            "-" if value is None else f"{value:,.6g}"
            for value in (report.price_usd, report.open_interest_usd)
        ]
        finding = "; ".join(_faults_of(report)) or "ok"
        table.add_row(report.exchange, report.symbol, *amounts, *counts, finding)
    return table
