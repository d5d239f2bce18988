"""Finds realised liquidations of Hyperliquid, which publishes none: what it finds is a lower bound of them.

Three ways: fills of the largest makers, which the exchange sends of ten users; fills of known accounts that
seem to be liquidated, and of the vaults that take over, which are asked for, five a minute.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from liqstream.feeds.weight_ledger import Reservation, WeightLedger
from liqstream.market import DAY_MS, Liquidation
from liqstream.positions.accounts import AccountSource
from liqstream.positions.fill_queue import FillQueue
from liqstream.positions.info_client import InfoClient, RefusedForGoodError, TooManyError, UnansweredError
from liqstream.positions.liquidation_capture import FoundBy, LiquidationCapture
from liqstream.positions.maker_ranking import MakerRanking, maker_of
from liqstream.positions.messages import HLP, LIQUIDATOR_VAULTS, is_address
from liqstream.positions.tracker import AccountTrade, Tracker
from liqstream.positions.trade_socket import TradeSocket
from liqstream.supervision.clock import Clock

FILLS_WEIGHT = 120.0
"""The most that an answer of fills can cost: 20, and 1 for each 20 of its 2,000 rows."""
VAULT_WEIGHT = 20.0
ROWS_PER_WEIGHT = 20
MOST_ROWS = 2000
ASK_EVERY_S = 12.0
"""Five a minute."""
FIRST_RANK_S, RANK_EVERY_S = 30.0, 300.0
DAILY_S, AGAIN_S, AGAIN_MS = 86_400.0, 600.0, 60_000
_LOOK_S = 0.5

log = structlog.get_logger(__name__)


class LiquidationCollector:
    """Of the coins of `symbol_of` (coin -> our symbol, and how many coins it counts as one).

    `on_found` gets each liquidation once, `on_too_many` is called after a 429.
    """

    def __init__(
        self,
        tracker: Tracker,
        symbol_of: Mapping[str, tuple[str, int]],
        exchange: str,
        *,
        ledger: WeightLedger,
        clock: Clock,
        on_too_many: Callable[[], None],
    ) -> None:
        self.on_found: Callable[[Sequence[Liquidation]], None] = lambda found: None
        self.capture = LiquidationCapture(symbol_of, exchange)
        self.queue = FillQueue(tracker)
        self.refused: Counter[str] = Counter()
        """What was not answered or understood: fills, vaults, and users whom the exchange does not send."""
        self.covered: set[str] = set()
        """Makers whose fills the exchange says it sends."""
        self._ranking = MakerRanking()
        self._ledger = ledger  # what is asked for is reserved in it
        self._clock = clock  # of waits and times
        self._on_too_many = on_too_many  # see the class
        self.ended = ""
        """Why nobody is asked any more; "" while somebody is."""
        self._holds = False  # an answer is waited for, its weight reserved
        self._asked_s = -math.inf  # when somebody was asked last, on the clock

    @property
    def leaving(self) -> float:
        """Weight that reads of states have to leave, so that a question of fills need not wait for room."""
        is_near = len(self.queue) > 0 or self._clock.time_s() < self._asked_s + ASK_EVERY_S
        fits = self._ledger.positions_most >= 2 * FILLS_WEIGHT
        return FILLS_WEIGHT if is_near and fits and not self._holds and not self.ended else 0.0

    def take_trades(self, trades: Sequence[AccountTrade]) -> None:
        """Rank makers, count what is covered, see who may be liquidated; before the tracker takes them."""
        for trade in trades:
            self._ranking.note(trade)
            self.capture.note_trade(
                trade.coin,
                trade.time_ms,
                trade.price * trade.size,
                is_covered=maker_of(trade) in self.covered,
            )
        self.queue.take_trades(trades)

    def on_data(self, channel: str, data: Any) -> None:
        """A message of the socket about users' fills; others are passed over."""
        if channel == "userFills" and isinstance(data, dict):
            # What a subscription begins with is of a time in which the maker did not count as covered.
            if not data.get("isSnapshot"):
                self._take(str(data.get("user")), data.get("fills"), FoundBy.MAKER)
        elif channel == "error":
            self.refused["subscription"] += 1
        elif isinstance(data, dict) and data.get("type") == "userFills":
            user = str(data.get("user")).lower()
            (self.covered.add if channel == "subscribed" else self.covered.discard)(user)

    def on_break(self) -> None:
        """Nothing is sent until the next subscription."""
        self.covered.clear()

    def _take(self, owner: str, fills: Any, by: FoundBy) -> None:
        rows = fills if isinstance(fills, list) else []
        found = self.capture.take_fills(owner, rows, by, latest_ms=self._clock.now_ms() + DAY_MS)
        if found:
            self.on_found(found)

    def makers_wanted(self, followed: Sequence[str]) -> list[str]:
        """The makers to listen to from now on, if these are followed."""
        return self._ranking.wanted(followed, self.capture.vaults)

    async def follow_makers(self, socket: TradeSocket) -> None:
        """Listen to the largest makers, ranked anew every five minutes, until cancelled."""
        await self._clock.sleep(FIRST_RANK_S)
        while True:
            await socket.follow(self.makers_wanted(socket.users))
            await self._clock.sleep(RANK_EVERY_S)

    async def ask_for_fills(self, client: InfoClient) -> None:
        """Ask whose turn it is, at most five a minute, until cancelled or refused for good."""
        while not self.ended:
            asked = self.queue.due(self._clock.now_ms())
            if asked is None:
                await self._clock.sleep(_LOOK_S)
                continue
            await self._ask(client, *asked)
            await self._clock.sleep(ASK_EVERY_S)

    async def _ask(self, client: InfoClient, address: str, since_ms: int) -> None:
        held = await self.reserve(FILLS_WEIGHT)
        question = {"type": "userFillsByTime", "user": address, "startTime": since_ms}
        rows: Any = None
        try:
            rows = await client.ask(question)
        except UnansweredError as error:
            self.refused["fills"] += 1
            if isinstance(error, TooManyError):
                self._on_too_many()
            self.queue.again(address, self._clock.now_ms() + AGAIN_MS, since_ms)
        except RefusedForGoodError as error:
            self._end(error)
        finally:
            cost = None if not isinstance(rows, list) else 20.0 + math.ceil(len(rows) / ROWS_PER_WEIGHT)
            self.settle(held, cost)
        if isinstance(rows, list):
            self.take_answer(address, since_ms, rows)

    async def reserve(self, weight: float) -> Reservation:
        """Hold weight for a question that costs more than a state, as soon as reads have left it."""
        while (held := self._ledger.try_position(weight)) is None:
            self._asked_s = self._clock.time_s()
            await self._clock.sleep(_LOOK_S)
        self._holds, self._asked_s = True, self._clock.time_s()
        return held

    def settle(self, held: Reservation, cost: float | None = None) -> None:
        """Its answer has come, or none will; it cost all that was held, or less."""
        self._holds = False
        self._ledger.settle(held, cost)

    def take_answer(self, address: str, since_ms: int, rows: Sequence[Any]) -> None:
        """An account's fills from a time on; where they are as many as fit, what follows is asked for too."""
        self._take(address, rows, FoundBy.ASKED)
        last = rows[-1] if len(rows) >= MOST_ROWS else None
        time_ms = last.get("time") if isinstance(last, dict) else None
        if isinstance(time_ms, int) and time_ms > since_ms:
            self.queue.again(address, self._clock.now_ms(), time_ms)

    def _end(self, error: RefusedForGoodError) -> None:
        """Where positions are read from a node of one's own, only this ends."""
        if not self.ended:
            self.ended = str(error)
            log.warning("liquidations_not_asked_for", reason=self.ended)

    async def read_vaults(self, client: InfoClient) -> None:
        """Which vaults liquidate, at the start and daily, until cancelled; without an answer, those known."""
        while not self.ended:
            try:
                children, found = await self._children(client)
                self._name_vaults(children)
                wait_s = DAILY_S
                if found:
                    self.capture.vaults = self.queue.vaults = found
            except (UnansweredError, KeyError, TypeError, ValueError) as error:
                self.refused["vaults"] += 1
                if isinstance(error, TooManyError):
                    self._on_too_many()
                wait_s = AGAIN_S
            except RefusedForGoodError as error:
                self._end(error)
                return
            await self._clock.sleep(wait_s)

    def _name_vaults(self, children: Sequence[str]) -> None:
        """They are read as accounts are: what they hold is part of open interest."""
        tracker = self.queue.tracker
        tracker.vaults = frozenset(children)
        for child in children:
            tracker.accounts.row(child, AccountSource.VAULT, self._clock.now_ms())

    async def _children(self, client: InfoClient) -> tuple[list[str], frozenset[str]]:
        """The children of the exchange's own vault, and those of them that are called liquidators."""
        parent = await self._vault(client, HLP)
        found, children = set(), list(parent["relationship"]["data"]["childAddresses"])
        for child in children:
            if not is_address(child):
                raise ValueError("a vault's child has an address")
            name = "" if child in LIQUIDATOR_VAULTS else str((await self._vault(client, child))["name"])
            if child in LIQUIDATOR_VAULTS or "liquidator" in name.lower():
                found.add(child)
        return children, frozenset(found)

    async def _vault(self, client: InfoClient, address: str) -> Any:
        held = await self.reserve(VAULT_WEIGHT)
        try:
            return await client.ask({"type": "vaultDetails", "vaultAddress": address})
        finally:
            self.settle(held)
