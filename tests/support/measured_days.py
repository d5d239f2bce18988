"""Two real days of about 1,100 Hyperliquid accounts, look by look (LIQSTREAM_TEST_DATA)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray
from liqstream.positions.account_state import AccountState, PositionState
from liqstream.positions.accounts import AccountSource
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.tracker import Tracker
from tests.support.account_bodies import META
from tests.support.recorded_data import TEST_DATA

FILE = TEST_DATA / "hyperliquid_positions" / "hyperliquid_positions_20260807_20260809.parquet"
COINS = ("BTC", "ETH", "SOL", "HYPE")


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One coin at one time, UTC ms: USD, and per listed position its side, level, USD at the mark, entry."""

    coin: str
    time_ms: int
    mark: float
    open_interest_usd: float
    tracked_usd: float
    is_long: NDArray[np.bool_]
    level: FloatArray
    position_usd: FloatArray
    entry: FloatArray
    account: NDArray[np.int64]

    def keys(self) -> list[tuple[int, bool]]:
        """Account and side of each position."""
        return list(zip(self.account.tolist(), self.is_long.tolist(), strict=True))


@cache
def measured_days(coin: str) -> list[Look]:
    """The looks of a coin, ascending."""
    columns = duckdb.execute(
        f"SELECT * FROM '{FILE}' WHERE coin = ? ORDER BY time_ms, account",
        [coin],
    ).fetchnumpy()
    times = np.asarray(columns["time_ms"])
    bounds = [0, *(np.flatnonzero(np.diff(times)) + 1).tolist(), len(times)]
    return [_look(coin, columns, slice(*pair)) for pair in pairwise(bounds)]


def _look(coin: str, columns: dict[str, Any], rows: slice) -> Look:
    def numbers(name: str) -> FloatArray:
        return np.asarray(columns[name][rows], dtype=np.float64)

    return Look(
        coin,
        int(columns["time_ms"][rows][0]),
        float(numbers("mark")[0]),
        float(numbers("open_interest_usd")[0]),
        float(numbers("tracked_usd")[0]),
        np.asarray([str(side) == "long" for side in columns["side"][rows]]),
        numbers("liquidation_price"),
        numbers("position_usd"),
        numbers("entry_price"),
        np.asarray(columns["account"][rows], dtype=np.int64),
    )


def tracker_of(look: Look) -> Tracker:
    """A tracker that has just read these accounts, one state per position: their other coins are not
    listed."""
    tracker = Tracker((look.coin,))
    tracker.coins.set_tables(read_margin_tables(META))
    tracker.coins.note_market(look.coin, look.mark, look.open_interest_usd / look.mark)
    for (account, is_long), level, usd, entry in zip(
        look.keys(), look.level.tolist(), look.position_usd.tolist(), look.entry.tolist(), strict=True
    ):
        row = tracker.accounts.row(f"0x{account:040x}", AccountSource.FILE, look.time_ms)
        assert row is not None
        size = usd / look.mark * (1 if is_long else -1)
        position = PositionState(look.coin, size, entry, look.mark, level, np.nan, None)
        tracker.apply_state(row, AccountState(look.time_ms, 0.0, 0.0, 0.0, (position,)), look.time_ms)
    return tracker
