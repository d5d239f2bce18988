"""The cells of the matrix: each part of each exchange, each kind of fault, how long and when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from liqstream.market import DAY_MS, MINUTE_MS
from liqstream.simulator.dialect import Fields
from liqstream.simulator.exchange_server import DIALECTS
from liqstream.simulator.fault_table import Fault, FaultKind
from liqstream.simulator.market import FUNDING_MS
from tests.support.market_start import SHORT_HISTORY_DAYS, START_MS

Duration = Literal["once", "while", "lasting"]
Phase = Literal["starting", "running"]

DURATIONS: tuple[Duration, ...] = ("once", "while", "lasting")
PHASES: tuple[Phase, ...] = ("starting", "running")
WHILE_S = 30.0
LASTING_S = 240.0
"""A lasting fault is watched for so long and then cleared."""
_PAST_MS = SHORT_HISTORY_DAYS * DAY_MS + START_MS % DAY_MS
"""How much past a simulated market has at the start."""
_VALUE_KINDS = {FaultKind.WRONG_TIME, FaultKind.WRONG_SIZE, FaultKind.ZERO}
_NAMED_IN_URL = frozenset(["binance", "aster"])
"""Exchanges whose sockets' addresses name the streams."""
NOT_ASKED = frozenset(
    [
        ("binance", "/fapi/v1/ping"),
        ("binance", "/fapi/v1/premiumIndex"),
        ("aster", "/fapi/v1/ping"),
        ("aster", "/fapi/v1/premiumIndex"),
        ("bybit", "/v5/market/tickers"),
        ("okx", "/api/v5/public/open-interest"),
        ("hyperliquid", "metaAndAssetCtxs"),
        ("hyperliquid", "clearinghouseState"),
        ("hyperliquid", "userFillsByTime"),
        ("hyperliquid", "vaultDetails"),
        ("gate", "/api/v4/futures/usdt/tickers"),
        ("bitget", "/api/v3/market/tickers"),
    ]
)
"""Endpoints the simulated exchange has and no feed asks while all is well."""

ASKED_ANYWAY = frozenset(
    [
        ("binance", "/fapi/v1/time"),
        ("binance", "/fapi/v1/openInterest"),
        ("aster", "/fapi/v1/time"),
        ("lighter", "/"),
        ("lighter", "/api/v1/orderBookDetails"),
        ("aster", "/fapi/v1/openInterest"),
        ("bybit", "/v5/market/time"),
        ("okx", "/api/v5/public/time"),
        ("hyperliquid", "l2Book"),
        ("gate", "/api/v4/spot/time"),
        ("bitget", "/api/v2/public/time"),
    ]
)
"""Endpoints that are asked after every reconnect or all the time; the others only where bars are missing."""

OF_BRACKETS = frozenset(
    [
        ("bybit", "/v5/market/risk-limit"),
        ("okx", "/api/v5/public/mark-price"),
        ("okx", "/api/v5/public/position-tiers"),
        ("hyperliquid", "meta"),
        ("gate", "/api/v4/futures/usdt/risk_limit_tiers"),
        ("bitget", "/api/v3/market/position-tier"),
        ("lighter", "/api/v1/orderBookDetails"),
    ]
)
"""Endpoints that margin brackets are read from; while one fails they are read again and again."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault of one part of an exchange."""

    exchange: str
    target: str
    kind: FaultKind
    duration: Duration
    phase: Phase

    @property
    def name(self) -> str:
        """As it is printed, and chosen with --only."""
        return f"{self.exchange}:{self.target}:{self.kind}:{self.duration}:{self.phase}"

    @property
    def is_channel(self) -> bool:
        """Whether the target is a channel, not an endpoint."""
        return self.target in DIALECTS[self.exchange].channels

    @property
    def is_history(self) -> bool:
        """Whether the target is asked only where bars are missing."""
        part = (self.exchange, self.target)
        return not self.is_channel and part not in ASKED_ANYWAY and part not in OF_BRACKETS

    @property
    def is_of_brackets(self) -> bool:
        """Whether margin brackets are read from the target."""
        return (self.exchange, self.target) in OF_BRACKETS

    @property
    def lasts_s(self) -> float:
        """How long the fault is in force; one that happens once is over when it has happened."""
        return LASTING_S if self.duration == "lasting" else WHILE_S

    @property
    def pause_s(self) -> float:
        """How long the exchange states, or is known, to shut an address out after such a refusal."""
        pauses = {FaultKind.BANNED: 120.0, FaultKind.COUNTRY: 900.0, FaultKind.TOO_MANY: 60.0}
        if self.kind is FaultKind.FORBIDDEN and self.exchange == "bybit":
            return 600.0
        if self.kind is FaultKind.ITEM_CODE and self.target == "kline" and self.exchange in _NAMED_IN_URL:
            return MINUTE_MS / 1000  # the bar that such a stream leaves out is late only after it has ended
        # A code for too many requests: the rest of the exchange's window.
        return 60.0 if self.kind is FaultKind.PASSING_CODE else pauses.get(self.kind, 0.0)

    @property
    def has_to_show(self) -> bool:
        """Whether status or flags have to name it: it lasts.

        Funding of 0 is as good as any, and no map needs a channel of it; a liquidation channel that says
        nothing, or an empty list of past ones, looks like a quiet market for the first half hour. An empty
        list of open interest is as good as any for less time than lies between two readings. In the minutes
        that are fetched again no funding was paid, nor in a past of less than eight hours where it is paid
        three times a day: there is no figure to be wrong. Nothing goes by the time of a mark price that
        margin brackets are worked out with, nor by that of Binance's list of contracts.
        """
        is_silent = self.kind in (FaultKind.MUTE, FaultKind.ZERO, FaultKind.EMPTY_LIST)
        # Binance accepts an address that names an unknown stream, and says nothing of it.
        is_silent |= self.kind is FaultKind.ITEM_CODE and self.is_channel and self.exchange in _NAMED_IN_URL
        quiet = any(word in self.target.lower() for word in ("fund", "liq", "forceorder"))
        quiet |= (self.exchange, self.target) == ("lighter", "trade")  # of which liquidations alone are taken
        is_short = _PAST_MS < FUNDING_MS and self.exchange != "lighter"
        is_unpaid = (
            self.is_history and (self.phase == "running" or is_short) and "fund" in self.target.lower()
        )
        is_rare = self.is_history and self.phase == "running" and _is_open_interest(self.target)
        no_time = self.is_of_brackets or self.target == "/fapi/v1/exchangeInfo"
        is_untimed = no_time and self.kind is FaultKind.WRONG_TIME
        is_empty = self.kind is FaultKind.EMPTY_LIST
        is_harmless = (
            (is_silent and quiet)
            or (is_rare and is_empty)
            or is_untimed
            or (is_unpaid and self.kind in _VALUE_KINDS)
        )
        return self.duration == "lasting" and not is_harmless

    @property
    def may_be_missed(self) -> bool:
        """Whether a feed may never meet it: what a short outage took need not be asked for here.

        Nor is the past of what is held back asked for at once.
        """
        is_held_back = (self.exchange, self.target) == ("bitget", "/api/v3/market/liquidations")
        return self.is_history and (self.phase == "running" or (is_held_back and self.duration == "while"))

    def fault(self) -> Fault:
        """The line of the fault table. aiohttp's client knocks twice where a connection is cut."""
        once = 2 if self.kind is FaultKind.REFUSED else 1
        times = once if self.duration == "once" else None
        lasts_s = LASTING_S if self.duration == "once" else self.lasts_s
        return Fault(self.exchange, self.target, self.kind, times=times, lasts_s=lasts_s)


def _is_open_interest(target: str) -> bool:
    return any(word in target.lower() for word in ("openinterest", "open-interest", "contract_stats"))


def parts() -> Iterator[tuple[str, str, FaultKind]]:
    """Exchange, endpoint or channel, and kind: each that there is."""
    for name, dialect in DIALECTS.items():
        for target, fields in (*dialect.endpoints.items(), *dialect.channels.items()):
            if (name, target) in NOT_ASKED:
                continue
            for kind in FaultKind:
                if kind not in _VALUE_KINDS or _has(fields, kind):
                    yield name, target, kind


def _has(fields: Fields, kind: FaultKind) -> bool:
    return bool(fields.times if kind is FaultKind.WRONG_TIME else fields.amounts)


def rotated(seed: int) -> list[Cell]:
    """Each part once, its duration and phase by the seed: six seeds in a row do them all."""
    variants = [(duration, phase) for phase in PHASES for duration in DURATIONS]
    return [Cell(*part, *variants[(number + seed) % len(variants)]) for number, part in enumerate(parts())]


def all_cells() -> list[Cell]:
    """Each part in each duration and phase."""
    return [Cell(*part, duration, phase) for part in parts() for duration in DURATIONS for phase in PHASES]


def one_of_each_kind(seed: int) -> list[Cell]:
    """One cell of each kind, of endpoints and of channels in turn."""
    chance = random.Random(seed)
    cells = [cell for cell in rotated(seed) if cell.duration != "lasting"]
    chance.shuffle(cells)
    return [
        next(cell for cell in cells if cell.kind is kind and cell.is_channel == (number % 2 == 0))
        for number, kind in enumerate(FaultKind)
    ]
