"""Keeps a tracker up to date from Hyperliquid: trades, marks, reads of accounts, the leaderboard; and
stores it.

Nothing here ends the process, and nothing holds up the feed: a refusal for good ends the layer alone.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from liqstream.feeds.http_session import make_session
from liqstream.feeds.weight_ledger import Reservation, WeightLedger
from liqstream.market import MINUTE_MS
from liqstream.market.identity import contract_of
from liqstream.positions.account_state import read_account_state
from liqstream.positions.accounts import AccountSource
from liqstream.positions.info_client import (
    InfoClient,
    RefusedForGoodError,
    TooManyError,
    UnansweredError,
)
from liqstream.positions.leaderboard import leaderboard_rows
from liqstream.positions.liquidation_capture import Capture
from liqstream.positions.liquidation_collector import LiquidationCollector
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.measured import Coverage, MeasuredLevels, coverage_of, levels_of
from liqstream.positions.messages import read_contexts, read_trades
from liqstream.positions.read_schedule import FLOOR_USD, READ_WEIGHT, ReadSchedule
from liqstream.positions.store_keeper import StoreKeeper
from liqstream.positions.stored_state import coin_of
from liqstream.positions.tracker import Tracker
from liqstream.positions.trade_socket import TradeSocket
from liqstream.store.market_store import MarketStore
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

EXCHANGE = "hyperliquid"
REFRESH_EVERY_S = 1.0
DAILY_S = 86_400.0
AT_ONCE = 8
"""Reads under way at most."""
META_WEIGHT = 20.0
STOP_S = 60.0
"""After a 429 nothing is read for so long; then at half the rate, which grows by 10 % a minute."""
AGAIN_MS = 10_000
"""A read that failed is tried again after so long."""
TRY_AGAIN_S = 30.0
LEADERBOARD_AGAIN_S = 3600.0
COMPLAIN_EVERY_S = 3600.0
_LOOK_S = 0.25

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PositionsSetup:
    """Where positions are read: `base_url` answers /info, `ws_url` carries trades, `leaderboard_url` names
    accounts.

    Without the last ("") it is not asked. `fills_url` answers /info about fills, which a node does not: ""
    for `base_url`. `weight` a minute is for reads, 0 for no limit; `source` is live or simulated.
    """

    base_url: str
    ws_url: str
    leaderboard_url: str = ""
    weight: float = 800.0
    floor_usd: float = FLOOR_USD
    days: int = 30
    proxy: str = ""
    source: str = "live"
    fills_url: str = ""


class PositionsCollector:
    """Runs as one background task. `leads` tells whether this server reads: in a fleet, one does."""

    def __init__(
        self,
        setup: PositionsSetup,
        symbols: Sequence[str],
        store: MarketStore,
        *,
        ledger: WeightLedger | None = None,
        clock: Clock = SYSTEM_CLOCK,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        most = setup.weight or math.inf
        self.setup = setup
        self.symbols = tuple(symbol for symbol in symbols if contract_of(symbol).coins == 1)
        self.ledger = ledger or WeightLedger(most, most=max(1100.0, most), clock=clock)
        self.tracker = Tracker([coin_of(symbol) for symbol in self.symbols])
        self.schedule = ReadSchedule(self.tracker, weight_per_minute=most, floor_usd=setup.floor_usd)
        self.reads: Counter[str] = Counter()
        """Answers by why the account was read: first, traded or due."""
        self.refused: Counter[str] = Counter()
        """Reads without a state: by 429, by no answer, by one that is none or too old."""
        self.ended = ""
        """Why the layer has ended for good; "" while it has not."""
        self.trouble = ""
        """What does not work just now, "" for nothing."""
        self.liquidations = LiquidationCollector(
            self.tracker,
            {coin_of(symbol): (symbol, 1) for symbol in self.symbols},
            EXCHANGE,
            ledger=self.ledger,
            clock=clock,
            on_too_many=self._slow_down,
        )
        """What was liquidated, as far as it can be found."""
        self.keeper = StoreKeeper(
            self.tracker, self.symbols, store, days=setup.days, capture_of=self._captured, clock=clock
        )
        """What is known outlives a restart in the store."""
        self._clock = clock  # of every wait, and the time of states
        self._leads = leads  # see the class
        self._universe: list[str] = []  # coins by their number in messages about all contexts
        self._rate = most  # weight a minute; below the setting after a 429
        self._complained_s = -math.inf  # monotonic s: of the last line about reads that failed
        self._resume_s = -math.inf  # monotonic s: no read before
        self._socket: TradeSocket | None = None  # None while this server does not read

    @property
    def state(self) -> str:
        """reading, standby (another server reads), or ended."""
        if self.ended:
            return "ended"
        return "reading" if self._leads() else "standby"

    @property
    def hears_trades(self) -> bool:
        """Whether trades are met now."""
        return self._socket is not None and self._socket.is_connected

    def now_ms(self) -> int:
        """The time that states and looks are of, UTC ms: a simulated market has its own."""
        return self._clock.now_ms()

    def levels(self, symbol: str, mark: float | None = None) -> MeasuredLevels | None:
        """A symbol's positions now; `mark` (USD) is taken while none is known. None without a mark."""
        return levels_of(self.tracker, coin_of(symbol), self._clock.now_ms(), mark)

    def coverage(self, symbol: str, levels: MeasuredLevels) -> Coverage | None:
        """A symbol's coverage; None while its open interest is not known."""
        number = self.tracker.coins.number(coin_of(symbol))
        return coverage_of(levels, float(self.tracker.coins.open_interest[number]))

    def capture(self, symbol: str) -> Capture | None:
        """What share of a symbol's realised liquidations is found; None before any trade."""
        return self.liquidations.capture.of(coin_of(symbol), self._clock.now_ms())

    def _captured(self, symbol: str) -> float | None:
        found = self.capture(symbol)
        return None if found is None else found.share

    async def run(self) -> None:
        """Collect until cancelled, or until the exchange refuses for good."""
        await self.keeper.restore(self._clock.now_ms())
        while not self._leads():
            await self._clock.sleep(2.0)
        try:
            async with make_session() as session:
                await self._collect(session)
        except* RefusedForGoodError as errors:
            self.ended = str(errors.exceptions[0])
            log.warning("positions_ended", reason=self.ended)
        finally:
            self._socket = None
            self.tracker.coins.end_trades()

    async def _collect(self, session: aiohttp.ClientSession) -> None:
        setup, clock = self.setup, self._clock
        client = InfoClient(setup.base_url, session, setup.proxy, clock)
        self._socket = TradeSocket(
            setup.ws_url,
            [coin_of(symbol) for symbol in self.symbols],
            session,
            self._on_data,
            self._on_break,
            proxy=setup.proxy,
            clock=clock,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._socket.run())
            tasks.create_task(self._refresh())
            tasks.create_task(self.keeper.run())
            tasks.create_task(self._read_tables(client))
            tasks.create_task(self._read_accounts(client, tasks))
            tasks.create_task(self.liquidations.follow_makers(self._socket))
            fills = InfoClient(setup.fills_url or setup.base_url, session, setup.proxy, clock)
            tasks.create_task(self.liquidations.read_vaults(fills))
            tasks.create_task(self.liquidations.ask_for_fills(fills))
            if setup.leaderboard_url:
                tasks.create_task(self._read_leaderboard(client))

    def _on_break(self) -> None:
        self.tracker.coins.end_trades()
        self.liquidations.on_break()

    def _on_data(self, channel: str, data: Any) -> None:
        self.liquidations.on_data(channel, data)
        if channel == "trades":
            trades, bad = read_trades(data)
            self.refused["trade"] += bad
            self.liquidations.take_trades(trades)
            self.tracker.apply_trades(trades)
        elif channel == "allDexsAssetCtxs":
            try:
                contexts = read_contexts(self._universe, data)
            except (KeyError, TypeError, ValueError):
                self.refused["context"] += 1
                return
            for coin, mark, held in contexts:
                self.tracker.coins.note_market(coin, mark, held)
        elif channel == "subscribed" and isinstance(data, dict) and data.get("type") == "trades":
            self.tracker.coins.begin_trades(self._clock.now_ms(), [str(data.get("coin"))])

    async def _read_tables(self, client: InfoClient) -> None:
        """The margin tables, at the start and daily."""
        while True:
            held = await self.ledger.reserve(META_WEIGHT)
            try:
                meta = await client.ask({"type": "meta"})
                tables = read_margin_tables(meta)
                self._universe = [str(contract["name"]) for contract in meta["universe"]]
                self.tracker.coins.set_tables(tables)
                self.trouble = ""
                wait_s = DAILY_S
            except (UnansweredError, KeyError, TypeError, ValueError) as error:
                self.trouble = f"the margin tables could not be read: {error}"
                wait_s = TRY_AGAIN_S
            finally:
                self.ledger.settle(held)
            await self._clock.sleep(wait_s)

    async def _read_accounts(self, client: InfoClient, tasks: asyncio.TaskGroup) -> None:
        """Read whose turn it is, evenly within the budget, until cancelled."""
        room = asyncio.Semaphore(AT_ONCE)
        next_s = self._clock.time_s()
        while True:
            now_s = self._clock.time_s()
            next_s = max(next_s, now_s - 1.0)
            row, held = None, None
            if self._universe and now_s >= self._resume_s:
                held = self.ledger.try_position(READ_WEIGHT, leaving=self.liquidations.leaving)
                row = None if held is None else self.schedule.next_account(self._clock.now_ms())
            if row is None or held is None:
                if held is not None:
                    self.ledger.settle(held, 0.0)
                await self._clock.sleep(_LOOK_S)
                continue
            await room.acquire()
            tasks.create_task(self._read(client, row, held)).add_done_callback(lambda _: room.release())
            next_s += READ_WEIGHT * 60 / self._rate
            await self._clock.sleep(next_s - self._clock.time_s())

    async def _read(self, client: InfoClient, row: int, held: Reservation) -> None:
        accounts = self.tracker.accounts
        address, reason = accounts.addresses[row], self._reason(row)
        not_before_ms = 0
        try:
            state = read_account_state(await client.ask({"type": "clearinghouseState", "user": address}))
            # The account may have made room for another meanwhile.
            if accounts.addresses[row] == address:
                if self.tracker.apply_state(row, state, self._clock.now_ms()):
                    self.reads[reason] += 1
                else:
                    not_before_ms = self._clock.now_ms() + AGAIN_MS
                    self.refused["old"] += 1
        except TooManyError:
            self._slow_down()
            not_before_ms = self._clock.now_ms() + AGAIN_MS
        except UnansweredError as error:
            self.refused["unanswered"] += 1
            self._complain(error)
            not_before_ms = self._clock.now_ms() + AGAIN_MS
        except (ValueError, KeyError, TypeError):
            self.refused["unreadable"] += 1
            self._complain("an answer is no account's state")
            not_before_ms = self._clock.now_ms() + AGAIN_MS
        finally:
            self.ledger.settle(held)
            self.schedule.answered(row, not_before_ms)

    def _complain(self, reason: object) -> None:
        """Log why a read brought nothing, once an hour: hundreds fail a minute when one does."""
        now_s = self._clock.time_s()
        if now_s >= self._complained_s + COMPLAIN_EVERY_S:
            self._complained_s = now_s
            log.warning("positions_unreadable", reason=str(reason))

    def _reason(self, row: int) -> str:
        if not self.tracker.accounts.read_ms[row]:
            return "first"
        return "traded" if self.tracker.accounts.is_dirty[row] else "due"

    def _slow_down(self) -> None:
        """The exchange says that it is too much."""
        self.refused["429"] += 1
        now_s = self._clock.time_s()
        if now_s < self._resume_s:
            return
        self._resume_s = now_s + STOP_S
        self._set_rate(max(60.0, min(self._rate, 1100.0) / 2))
        log.warning("positions_slowed_down", weight_per_minute=round(self._rate))

    def _set_rate(self, rate: float) -> None:
        self._rate = self.schedule.weight_per_minute = self.ledger.positions_most = rate

    async def _refresh(self) -> None:
        """Recompute levels every second; and take the rate back up after a 429."""
        grown_s = self._clock.time_s()
        most = self.setup.weight or math.inf
        while True:
            await self._clock.sleep(REFRESH_EVERY_S)
            now_ms, now_s = self._clock.now_ms(), self._clock.time_s()
            self.tracker.refresh_levels(now_ms)
            self.tracker.forget_old_trades(now_ms)
            if self._rate < most and now_s - max(grown_s, self._resume_s) >= MINUTE_MS / 1000:
                self._set_rate(min(most, 1.1 * self._rate))
                grown_s = now_s

    async def _read_leaderboard(self, client: InfoClient) -> None:
        """Accounts of the leaderboard, at the start and daily; without it, trades name them."""
        is_known = False
        while True:
            try:
                async with aclosing(leaderboard_rows(client.chunks(self.setup.leaderboard_url))) as rows:
                    async for address, value_usd in rows:
                        self._name(address, value_usd)
                is_known, wait_s = False, DAILY_S
            except (UnansweredError, RefusedForGoodError) as error:
                if not is_known:
                    log.warning("leaderboard_not_read", reason=str(error))
                is_known, wait_s = True, LEADERBOARD_AGAIN_S
            await self._clock.sleep(wait_s)

    def _name(self, address: str, value_usd: float) -> None:
        row = self.tracker.accounts.row(address, AccountSource.LEADERBOARD, self._clock.now_ms())
        if row is not None and math.isfinite(value_usd):
            self.tracker.accounts.value_usd[row] = max(0.0, value_usd)
