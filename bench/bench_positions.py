"""What the tracker of measured positions costs: a scheduling step, memory, trades, a refresh of all levels.

100,000 accounts, 30,000 positions. Prints each figure beside its goal and ends with 1 if one is missed.
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc

import numpy as np
import orjson

from liqstream.feeds.weight_ledger import WeightLedger
from liqstream.positions.account_state import AccountState, PositionState
from liqstream.positions.accounts import AccountSource
from liqstream.positions.liquidation_collector import LiquidationCollector
from liqstream.positions.margin_tables import table_of
from liqstream.positions.messages import read_trades
from liqstream.positions.read_schedule import ReadSchedule
from liqstream.positions.tracker import Tracker
from liqstream.supervision.clock import SYSTEM_CLOCK

ACCOUNTS, POSITIONS = 100_000, 30_000
STEP_GOAL_S, MEMORY_GOAL_MB, TRADES_GOAL = 0.001, 100.0, 0.05
TRADES_PER_S, AT_ONCE = 500, 5
"""And how many of them a message brings."""
NOW_MS = 1_790_000_000_000


def full_tracker(accounts: int = ACCOUNTS, positions: int = POSITIONS) -> Tracker:
    """A tracker of so many accounts, of which the first hold a position."""
    tracker = Tracker(("BTC", "ETH"))
    tables = {coin: table_of([(0.0, 40.0), (150e6, 20.0)]) for coin in ("BTC", "ETH")}
    tracker.coins.set_tables(tables)
    for coin in tables:
        tracker.coins.note_market(coin, 100.0, 1e6)
    tracker.coins.begin_trades(1)
    chance = np.random.default_rng(7)
    distances = chance.uniform(0.002, 0.5, positions).tolist()
    for number in range(accounts):
        row = tracker.accounts.row(f"0x{number:040x}", AccountSource.TRADES, NOW_MS - number)
        if row is None or number >= positions:
            continue
        coin = "BTC" if number % 2 else "ETH"
        level = 100 * (1 - distances[number])
        position = PositionState(coin, 1000.0, 100.0, 100.0, level, 10.0, -50_000.0)
        read_ms = NOW_MS - 1000 * (number % 7200)
        tracker.apply_state(row, AccountState(read_ms, 0.0, 0.0, 0.0, (position,)), read_ms)
    return tracker


def step_seconds(tracker: Tracker, steps: int = 400) -> float:
    """The median time of a scheduling step, s of processor time."""
    schedule = ReadSchedule(tracker, weight_per_minute=800.0)
    taken = []
    for number in range(steps):
        began_s = time.thread_time()
        row = schedule.next_account(NOW_MS + 150 * number)
        taken.append(time.thread_time() - began_s)
        if row is not None:
            schedule.answered(row)
    return statistics.median(taken)


def trades_share(tracker: Tracker, seconds: int = 20) -> float:
    """The share of a core that 500 trades a second take, from the socket's text to sizes, makers and
    captures."""
    finder = LiquidationCollector(
        tracker,
        {"BTC": ("BTCUSDT", 1)},
        "hyperliquid",
        ledger=WeightLedger(800.0),
        clock=SYSTEM_CLOCK,
        on_too_many=lambda: None,
    )
    texts = [
        orjson.dumps({"channel": "trades", "data": [_row(first + place) for place in range(AT_ONCE)]})
        for first in range(0, TRADES_PER_S * seconds, AT_ONCE)
    ]
    began_s = time.thread_time()
    for text in texts:
        trades, _ = read_trades(orjson.loads(text)["data"])
        finder.take_trades(trades)
        tracker.apply_trades(trades)
    return (time.thread_time() - began_s) / seconds


def _row(number: int) -> dict[str, object]:
    users = [f"0x{number % 5000:040x}", f"0x{number % 977:040x}"]
    row = {"coin": "BTC", "side": "B", "px": "100.0", "sz": "0.5", "users": users}
    return {**row, "hash": f"0x{number:064x}", "time": NOW_MS + 2 * number, "tid": number}


def main() -> int:
    """Measure, print, judge."""
    tracemalloc.start()
    tracker = full_tracker()
    memory_mb = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    step_s, share = step_seconds(tracker), trades_share(tracker)
    began_s = time.thread_time()
    tracker.refresh_levels(NOW_MS)
    refresh_s = time.thread_time() - began_s
    print(f"{ACCOUNTS} accounts, {POSITIONS} positions")
    print(f"  a scheduling step  {1000 * step_s:7.3f} ms    goal {1000 * STEP_GOAL_S:g} ms")
    print(f"  memory             {memory_mb:7.1f} MB    goal {MEMORY_GOAL_MB:g} MB")
    print(f"  {TRADES_PER_S} trades a second {100 * share:7.2f} %     goal {100 * TRADES_GOAL:g} % of a core")
    print(f"  all levels         {1000 * refresh_s:7.3f} ms")
    return int(step_s > STEP_GOAL_S or memory_mb > MEMORY_GOAL_MB or share > TRADES_GOAL)


if __name__ == "__main__":
    sys.exit(main())
