"""Keeps a tracker up to date from Hyperliquid: trades, marks, reads of accounts, the leaderboard; and
stores it.

Nothing here ends the process, and nothing holds up the feed: a refusal for good ends the layer alone.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from liqstream.feeds.http_session import make_session
from liqstream.feeds.weight_ledger import Reservation, WeightLedger
from liqstream.market import DAY_MS
from liqstream.market.identity import contract_of
from liqstream.positions.account_state import read_account_state
from liqstream.positions.coin_names import CoinNames
from liqstream.positions.failures import Failures
from liqstream.positions.info_client import InfoClient, RefusedForGoodError, TooManyError, UnansweredError
from liqstream.positions.leaderboard import follow_leaderboard
from liqstream.positions.liquidation_capture import Capture
from liqstream.positions.liquidation_collector import LiquidationCollector
from liqstream.positions.margin_tables import MarginTable, read_margin_tables
from liqstream.positions.measured import Coverage, MeasuredLevels, coverage_of
from liqstream.positions.messages import read_contexts, read_trades
from liqstream.positions.read_rate import ReadRate
from liqstream.positions.read_schedule import FLOOR_USD, READ_WEIGHT, ReadSchedule
from liqstream.positions.store_keeper import StoreKeeper
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
AGAIN_MS = 10_000
"""A read that failed is tried again after so long."""
TRY_AGAIN_S = 30.0
LEAD_LOOK_S = 2.0
"""How often it is looked whether this server reads."""
_LOOK_S = 0.25

log = structlog.get_logger(__name__)


class _StandsByError(Exception):
    """Another server reads from now on."""


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
        self._names = CoinNames(self.symbols)  # what the exchange calls their coins
        self.tracker = Tracker(self._names.contracts)
        self.schedule = ReadSchedule(self.tracker, weight_per_minute=most, floor_usd=setup.floor_usd)
        self.reads: Counter[str] = Counter()
        """Answers by why the account was read: first, traded or due."""
        self.refused: Counter[str] = Counter()
        """Reads without a state: by 429, by no answer, by one that is none or too old."""
        self.ended = ""
        """Why the layer has ended for good; "" while it has not."""
        self.failures = Failures(clock)
        """What does not work just now."""
        self.liquidations = LiquidationCollector(
            self.tracker,
            self._names.contracts,
            EXCHANGE,
            ledger=self.ledger,
            clock=clock,
            on_too_many=self._slow_down,
        )
        """What was liquidated, as far as it can be found."""
        self.keeper = StoreKeeper(
            self.tracker,
            self._names,
            store,
            days=setup.days,
            simulated=setup.source == "simulated",
            capture_of=self.capture,
            clock=clock,
        )
        """What is known outlives a restart in the store."""
        self._clock = clock  # of every wait, and the time of states
        self._leads = leads  # see the class
        self._listed = asyncio.Event()  # set once it is known which coins there are
        self._universe: list[str] = []  # coins by their number in messages about all contexts
        # What may be spent a minute; below the setting after a 429.
        self._rate = ReadRate(most, self.ledger, self.schedule, clock, self.failures)
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
        return self._names.levels(self.tracker, symbol, self._clock.now_ms(), mark)

    def coverage(self, symbol: str, levels: MeasuredLevels) -> Coverage | None:
        """A symbol's coverage; None while its open interest is not known."""
        return coverage_of(levels, self._names.open_interest(self.tracker, symbol))

    def capture(self, symbol: str) -> Capture | None:
        """What share of a symbol's realised liquidations is found; None before any trade."""
        return self.liquidations.capture.of(self._names.coin(symbol), self._clock.now_ms())

    async def run(self) -> None:
        """Collect while this server leads, until cancelled, or until the exchange refuses for good."""
        await self.keeper.restore(self._clock.now_ms())
        while not self.ended:
            if not self._leads():
                await self._clock.sleep(LEAD_LOOK_S)
                continue
            try:
                async with make_session() as session:
                    await self._collect(session)
            except* _StandsByError:
                log.info("positions_standby")
            except* RefusedForGoodError as errors:
                self.ended = str(errors.exceptions[0])
                log.warning("positions_ended", reason=self.ended)
            finally:
                self._socket = None
                self.tracker.coins.end_trades()
                self.liquidations.on_break()

    async def _lead(self) -> None:
        """Ends what is collected once another server reads."""
        while self._leads():
            await self._clock.sleep(LEAD_LOOK_S)
        raise _StandsByError

    async def _collect(self, session: aiohttp.ClientSession) -> None:
        setup, clock = self.setup, self._clock
        client = InfoClient(setup.base_url, session, setup.proxy, clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lead())
            tasks.create_task(self._listen(session, tasks))
            tasks.create_task(self._refresh())
            tasks.create_task(self.keeper.run())
            tasks.create_task(self._read_tables(client))
            tasks.create_task(self._read_accounts(client, tasks))
            fills = InfoClient(setup.fills_url or setup.base_url, session, setup.proxy, clock)
            tasks.create_task(self.liquidations.read_vaults(fills))
            tasks.create_task(self.liquidations.ask_for_fills(fills))
            if setup.leaderboard_url:
                leaderboard = follow_leaderboard(
                    client, setup.leaderboard_url, self.tracker.accounts, clock, self.failures
                )
                tasks.create_task(leaderboard)

    async def _listen(self, session: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        """Trades, once it is known what the exchange calls the coins."""
        await self._listed.wait()
        setup, coins, clock = self.setup, list(self._names.contracts), self._clock
        self._socket = TradeSocket(
            setup.ws_url, coins, session, self._on_data, self._on_break, proxy=setup.proxy, clock=clock
        )
        tasks.create_task(self.liquidations.follow_makers(self._socket))
        await self._socket.run()

    def _on_break(self, reason: str) -> None:
        self.tracker.coins.end_trades()
        self.liquidations.on_break()
        self.failures.begin("positions_socket_lost", f"no trades, so sizes age: {reason}")

    def _on_data(self, channel: str, data: Any) -> None:
        self.liquidations.on_data(channel, data)
        if channel == "trades":
            trades, bad = read_trades(data, self._clock.now_ms() + DAY_MS)
            asked_for = [trade for trade in trades if trade.coin in self.tracker.coins.followed]
            self.refused["trade"] += bad + len(trades) - len(asked_for)
            trades = asked_for
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
            self.failures.end("positions_socket_lost")

    async def _read_tables(self, client: InfoClient) -> None:
        """The margin tables, at the start and daily."""
        while True:
            held = await self.ledger.reserve(META_WEIGHT)  # not behind a backfill: nothing is met before
            try:
                meta = await client.ask({"type": "meta"})
                tables = read_margin_tables(meta)
                self._universe = [str(contract["name"]) for contract in meta["universe"]]
                self._take_listed(tables)
                self.failures.end("margin_tables_not_read")
                wait_s = DAILY_S
            except (UnansweredError, KeyError, TypeError, ValueError) as error:
                if isinstance(error, TooManyError):
                    self._slow_down()
                reason = str(error) if isinstance(error, UnansweredError) else "the answer is none"
                self.failures.begin("margin_tables_not_read", f"the margin tables are not read: {reason}")
                wait_s = TRY_AGAIN_S
            finally:
                self.ledger.settle(held)
            await self._clock.sleep(wait_s)

    def _take_listed(self, tables: Mapping[str, MarginTable]) -> None:
        self.tracker.coins.set_tables(tables)
        # What the socket listens to stays: a coin that is renamed is followed after a restart.
        if not self._listed.is_set():
            self._names.learn(tables)
            self.tracker.coins.follow(self._names.contracts)
            self.liquidations.capture.symbol_of = self._names.contracts
        self._listed.set()

    async def _read_accounts(self, client: InfoClient, tasks: asyncio.TaskGroup) -> None:
        """Read whose turn it is, evenly within the budget, until cancelled."""
        room = asyncio.Semaphore(AT_ONCE)
        next_s = self._clock.time_s()
        while True:
            next_s = max(next_s, self._clock.time_s() - 1.0)
            row, held = None, None
            if self._universe:
                held = self.ledger.try_position(READ_WEIGHT, leaving=self.liquidations.leaving)
                row = None if held is None else self.schedule.next_account(self._clock.now_ms())
            if row is None or held is None:
                if held is not None:
                    self.ledger.settle(held, 0.0)
                await self._clock.sleep(_LOOK_S)
                continue
            await room.acquire()
            tasks.create_task(self._read(client, row, held)).add_done_callback(lambda _: room.release())
            next_s += READ_WEIGHT * 60 / self._rate.rate
            await self._clock.sleep(next_s - self._clock.time_s())

    async def _read(self, client: InfoClient, row: int, held: Reservation) -> None:
        accounts = self.tracker.accounts
        address, reason = accounts.addresses[row], self._reason(row)
        not_before_ms = self._clock.now_ms() + AGAIN_MS
        try:
            state = read_account_state(await client.ask({"type": "clearinghouseState", "user": address}))
            if state.time_ms > self._clock.now_ms() + DAY_MS:
                raise ValueError("no state is of a day to come")
            # The account may have made room for another meanwhile.
            if accounts.addresses[row] != address:
                not_before_ms = 0
            elif self.tracker.apply_state(row, state, self._clock.now_ms()):
                self.reads[reason] += 1
                not_before_ms = 0
                self.failures.end("positions_unreadable")
            else:
                self._count_refused("old", "a state is older than the one before")
        except TooManyError:
            self._slow_down()
        except UnansweredError as error:
            self._count_refused("unanswered", str(error))
        except (ValueError, KeyError, TypeError):
            self._count_refused("unreadable", "an answer is no account's state")
        finally:
            self.ledger.settle(held)
            self.schedule.answered(row, not_before_ms)

    def _count_refused(self, kind: str, reason: str) -> None:
        self.refused[kind] += 1
        self.failures.begin("positions_unreadable", f"accounts are not read: {reason}")

    def _reason(self, row: int) -> str:
        if not self.tracker.accounts.read_ms[row]:
            return "first"
        return "traded" if self.tracker.accounts.is_dirty[row] else "due"

    def _slow_down(self) -> None:
        """The exchange says that it is too much."""
        self.refused["429"] += 1
        self._rate.slow_down()

    async def _refresh(self) -> None:
        """Recompute levels every second; and take the rate back up after a 429."""
        while True:
            await self._clock.sleep(REFRESH_EVERY_S)
            now_ms = self._clock.now_ms()
            self.tracker.refresh_levels(now_ms)
            self.tracker.forget_old_trades(now_ms)
            if self.tracker.accounts.dropped:
                self.failures.begin("positions_accounts_full", "too many accounts: some are dropped")
            self._rate.grow()
