"""Messages about accounts, bent as broken senders bend them: what they mean is taken in or refused."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import numpy as np
import orjson
import pytest

from liqstream.ingest.measured_layer import sentence
from liqstream.market import DAY_MS
from liqstream.positions.account_state import read_account_state
from liqstream.positions.accounts import AccountSource
from liqstream.positions.liquidation_capture import FoundBy, LiquidationCapture
from liqstream.positions.maker_ranking import MakerRanking
from liqstream.positions.margin_tables import read_margin_tables
from liqstream.positions.measured import coverage_of, levels_of, measured_cells
from liqstream.positions.messages import read_contexts, read_trades
from liqstream.positions.stored_state import changed_accounts, changed_positions, stored_cells
from liqstream.positions.tracker import Tracker
from tests.support.account_bodies import META, Held, address, body
from tests.support.json_mutation import bent

NOW_MS = 1_795_000_000_000
REFUSED = (KeyError, TypeError, ValueError)


class Taking:
    """Takes in messages as the collector does; `taken` counts those that meant something."""

    def __init__(self) -> None:
        self.tracker = Tracker(("BTC", "ETH"))
        self.capture = LiquidationCapture({"BTC": ("BTCUSDT", 1)}, "hyperliquid")
        self.ranking = MakerRanking()
        self.taken = 0
        self.tracker.coins.set_tables(read_margin_tables(META))

    def take(self, kind: str, data: Any, now_ms: int) -> None:
        """One message of a kind."""
        if kind == "state":
            row = self.tracker.accounts.row(address(1), AccountSource.TRADES, now_ms)
            state = read_account_state(data)
            if row is not None and state.time_ms <= now_ms + DAY_MS:
                self.taken += self.tracker.apply_state(row, state, now_ms)
        elif kind == "trades":
            trades, _ = read_trades(data, now_ms + DAY_MS)
            for trade in trades:
                self.ranking.note(trade)
                self.capture.note_trade(trade.coin, trade.time_ms, trade.price, is_covered=True)
            self.tracker.apply_trades(trades)
            self.taken += len(trades)
        elif kind == "contexts":
            for coin, mark, held in read_contexts(["BTC", "ETH"], data):
                self.tracker.coins.note_market(coin, mark, held)
                self.taken += 1
        elif kind == "fills":
            rows = data if isinstance(data, list) else []
            found = self.capture.take_fills(address(2), rows, FoundBy.MAKER, latest_ms=now_ms + DAY_MS)
            self.taken += len(found)
        else:
            self.tracker.coins.set_tables(read_margin_tables(data))
            self.taken += 1

    def show(self, now_ms: int) -> None:
        """All that is made of it: levels, coverage and its sentence, cells, what is stored."""
        tracker = self.tracker
        tracker.refresh_levels(now_ms)
        tracker.forget_old_trades(now_ms)
        self.capture.of("BTC", now_ms)
        self.ranking.wanted(())
        changed_accounts(tracker, 0)
        changed_positions(tracker, {}, now_ms)
        for coin in ("BTC", "ETH"):
            levels = levels_of(tracker, coin, now_ms)
            if levels is None:
                continue
            assert (levels.usd[levels.has_level] > 0).all()
            assert np.isfinite(levels.usd[levels.has_level]).all()
            for side in measured_cells(levels, 10_000.0, 100.0, 1000):
                assert np.isfinite(side).all()
                assert (side >= 0).all()
            stored_cells("BTCUSDT", levels, now_ms)
            held = float(tracker.coins.open_interest[tracker.coins.number(coin)])
            coverage = coverage_of(levels, held)
            if coverage is not None:
                shares = {"long": coverage.long, "short": coverage.short, "if_one_sided": True}
                flags = {"unsound": coverage.is_unsound, "partial": coverage.is_partial}
                age = {"median_ms": coverage.median_age_ms}
                assert sentence({"coverage": shares | flags, "age": age, "deadline_factor": 1.0})


def messages(now_ms: int) -> dict[str, Any]:
    """A sound message of each kind."""
    held = [Held("BTC", 2.0, 60e3, 61e3, -110e3), Held("ETH", -10.0, 3e3, 3100.0)]
    trade = {"coin": "BTC", "side": "A", "px": "61000", "sz": "0.5", "time": now_ms, "tid": now_ms}
    named = {"liquidatedUser": address(1), "markPx": "61000", "method": "market"}
    context = {"markPx": "61000", "openInterest": "1000"}
    return {
        "state": body(held, time_ms=now_ms, total_raw=50e3),
        "trades": [{**trade, "users": [address(1), address(2)]}],
        "contexts": {"ctxs": [["", [context, {"markPx": "3100", "openInterest": "9000"}]]]},
        "fills": [{**trade, "dir": "Open Short", "liquidation": named}],
        "tables": META,
    }


def _bend(seed: int, steps: int) -> None:
    chance, at = random.Random(seed), Taking()
    for number in range(steps):
        now_ms = NOW_MS + 1000 * number
        kind = chance.choice(sorted(messages(now_ms)))
        text = orjson.dumps(messages(now_ms)[kind])
        with suppress(*REFUSED):
            at.take(kind, orjson.loads(bent(text, chance) if chance.random() < 0.8 else text), now_ms)
        if number % 5 == 0:
            at.show(now_ms)
    # What was bent has spoilt nothing for good: sound messages are taken in as ever.
    last_ms = NOW_MS + 1000 * steps + 2 * DAY_MS
    before = at.taken
    for kind in ("tables", "contexts", "trades", "fills", "state"):
        at.take(kind, messages(last_ms)[kind], last_ms)
    assert at.taken >= before + 6
    at.show(last_ms)
    levels = levels_of(at.tracker, "BTC", last_ms)
    assert levels is not None
    mine = at.tracker.positions.account[levels.slot] == at.tracker.accounts.row_of[address(1)]
    assert levels.size[mine].tolist() == [2.0]


@pytest.mark.parametrize("seed", range(5))
def test_bent_messages_are_refused_or_mean_something(seed: int) -> None:
    """Nothing but the three refusals comes of them, and what is shown stays finite and above nothing."""
    _bend(seed, 300)


@pytest.mark.attack
@pytest.mark.parametrize("seed", range(100, 140))
def test_thousands_of_bent_messages(seed: int) -> None:
    """The same, for longer."""
    _bend(seed, 2000)
