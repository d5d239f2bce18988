"""Keeps a tracker in the store: read at the start, written every five minutes."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from liqstream.market import DAY_MS
from liqstream.positions.coin_names import CoinNames
from liqstream.positions.liquidation_capture import Capture
from liqstream.positions.measured import coverage_of
from liqstream.positions.stored_state import (
    Written,
    changed_accounts,
    changed_positions,
    coin_of,
    restore,
    stored_cells,
    stored_coverage,
)
from liqstream.positions.tracker import Tracker
from liqstream.store.errors import StoreError
from liqstream.store.market_store import MarketStore
from liqstream.store.positions import PositionsBatch, StoredCell, StoredCoverage
from liqstream.supervision.clock import SYSTEM_CLOCK, Clock

STORE_EVERY_S = 300.0

log = structlog.get_logger(__name__)


class StoreKeeper:
    """For one tracker of the symbols of `names`; rows older than `days` are deleted.

    `simulated`: of a simulated market, whose rows are apart from those of real accounts.
    """

    def __init__(
        self,
        tracker: Tracker,
        names: CoinNames,
        store: MarketStore,
        *,
        days: int,
        simulated: bool = False,
        capture_of: Callable[[str], Capture | None] = lambda symbol: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.one_sided: tuple[str, int] | None = None
        """The symbol, and when, that proved that open interest counts one side."""
        self._tracker = tracker  # what is kept
        self._names = names  # what is drawn of it
        self._store = store  # where
        self._days = days  # for how long
        self._simulated = simulated  # see the class
        self._capture_of = capture_of  # by symbol, what part of its liquidations is found
        self._clock = clock  # of the waits, and the time of looks
        self._written: Written = {}  # positions as the store has them
        self._stored_ms = 0  # when the store was written last, UTC ms
        self._is_restored = False  # whether the store has been read

    async def restore(self, now_ms: int) -> None:
        """Take in what the store has, once. Raises StoreError."""
        if self._is_restored:
            return
        accounts, positions = await self._store.known_positions(simulated=self._simulated)
        self._written = restore(self._tracker, accounts, positions)
        self.one_sided = await self._store.one_sided_proof(simulated=self._simulated)
        self._names.learn({coin_of(symbol) for symbol, _ in self._written})
        for symbol in self._names.symbols:
            looks = await self._store.measured_coverage(
                symbol, start_ms=now_ms - DAY_MS, end_ms=now_ms, simulated=self._simulated
            )
            if looks:
                self._names.note_open_interest(self._tracker, symbol, looks[-1].open_interest_base)
        self._is_restored = True

    async def run(self) -> None:
        """Write what has changed every five minutes, until cancelled."""
        while True:
            await self._clock.sleep(STORE_EVERY_S)
            await self.store_now(self._clock.now_ms())

    async def store_now(self, now_ms: int) -> None:
        """Write what has changed since the last time, and what is drawn; a store that fails is tried
        later."""
        written = dict(self._written)
        positions = changed_positions(self._tracker, written, now_ms)
        accounts = changed_accounts(self._tracker, self._stored_ms)
        cells, looks = self._drawn(now_ms)
        try:
            batch = PositionsBatch(accounts, positions, cells, looks, self._simulated)
            await self._store.append_positions(batch)
            await self._store.expire_positions(now_ms - self._days * DAY_MS)
        except StoreError as error:
            log.warning("positions_not_stored", reason=str(error))
            return
        self._written, self._stored_ms = written, now_ms

    def _drawn(self, now_ms: int) -> tuple[list[StoredCell], list[StoredCoverage]]:
        cells: list[StoredCell] = []
        looks: list[StoredCoverage] = []
        for symbol in self._names.symbols:
            levels = self._names.levels(self._tracker, symbol, now_ms)
            held = self._names.open_interest(self._tracker, symbol)
            coverage = None if levels is None else coverage_of(levels, held)
            if levels is None or coverage is None:
                continue
            cells += stored_cells(symbol, levels, now_ms)
            found = self._capture_of(symbol)
            share = None if found is None else found.share
            looks.append(stored_coverage(symbol, coverage, held, len(levels.size), now_ms, share))
            if self.one_sided is None and coverage.proves_one_side:
                self.one_sided = (symbol, now_ms)
        return cells, looks
