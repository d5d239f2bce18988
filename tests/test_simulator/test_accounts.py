"""The simulated accounts: one figure for longs, shorts and open interest; trades that lead to what is
held."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from liqstream.market import MINUTE_MS
from liqstream.simulator.accounts import MAKER_SHARES, Print, SimulatedAccounts, liquidator_vaults, maker
from liqstream.simulator.market import SimulatedMarket
from tests.support.market_start import START_MS

pytestmark = pytest.mark.simulated
SYMBOLS = ("ETHUSDT", "SOLUSDT", "XRPUSDT")


@pytest.fixture(name="market")
def _market() -> SimulatedMarket:
    return SimulatedMarket(SYMBOLS, now_ms=START_MS, history_days=0)


def sizes(accounts: SimulatedAccounts, symbol: str, at_ms: int) -> dict[str, float]:
    """What every account holds."""
    return {each.address: each.size for each in accounts.holdings(symbol, at_ms)}


def test_trades_lead_from_what_was_held_to_what_is_held(market: SimulatedMarket) -> None:
    """Of every account, over minutes, second by second, each trade once; longs and shorts stay equal."""
    now_ms, accounts, symbol = START_MS, market.accounts, "SOLUSDT"
    held = defaultdict(float, sizes(accounts, symbol, now_ms))
    assert len(held) > 500
    ids = set()
    for _ in range(180):
        since_ms, now_ms = now_ms, now_ms + 1000
        market.advance(now_ms)
        for each in accounts.prints(symbol, since_ms, now_ms):
            assert each.trade_id not in ids
            ids.add(each.trade_id)
            signed = each.size if each.trader_buys else -each.size
            held[each.trader] += signed
            held[each.maker] -= signed
    expected = sizes(accounts, symbol, now_ms)
    assert ids
    left = {address: size for address, size in held.items() if abs(size) > 1e-9}
    assert left.keys() == expected.keys()
    assert all(abs(left[address] - size) < 1e-6 for address, size in expected.items())
    longs = sum(size for size in expected.values() if size > 0)
    assert longs == pytest.approx(-sum(size for size in expected.values() if size < 0))
    assert longs == pytest.approx(market.open_interest(symbol, now_ms))


def test_an_account_answers_for_its_one_position(market: SimulatedMarket) -> None:
    """The same position as among all; nothing once it is closed, and nothing of strangers."""
    now_ms = START_MS + 4 * MINUTE_MS
    market.advance(now_ms)
    for truth in market.accounts.holdings("ETHUSDT", now_ms)[:50]:
        assert market.accounts.of(truth.address, now_ms) == ("ETHUSDT", truth)
    ended = market.accounts.prints("ETHUSDT", START_MS, now_ms)
    standing = sizes(market.accounts, "ETHUSDT", now_ms)
    gone = [each.trader for each in ended if each.trader not in standing]
    assert gone
    assert all(market.accounts.of(address, now_ms) is None for address in gone)
    assert market.accounts.of("0x" + "0" * 40, now_ms) is None


def test_forced_ends_name_their_level(market: SimulatedMarket) -> None:
    """As many USD as the market's own liquidations; a fifth of a large one first."""
    now_ms = START_MS + 180 * MINUTE_MS
    market.advance(now_ms)
    start_ms = START_MS + 30 * MINUTE_MS
    found = 0
    for symbol in SYMBOLS:
        forced = [
            each
            for each in market.accounts.prints(symbol, start_ms - 1, now_ms - 1)
            if each.level is not None
        ]
        fills = market.liquidations(symbol, start_ms=start_ms, end_ms=now_ms)
        assert sum(each.size for each in forced) == pytest.approx(sum(fill.quantity for fill in fills))
        assert len(forced) >= len(fills)
        found += len(fills)
    assert found


def test_every_maker_fills_his_share_of_an_order(market: SimulatedMarket) -> None:
    """Of each change of a position; so all makers of a symbol are on one side."""
    now_ms = START_MS + 3 * MINUTE_MS
    market.advance(now_ms)
    shares = dict(zip((maker(n, "SOLUSDT") for n in range(20)), MAKER_SHARES, strict=False))
    filled: defaultdict[str, float] = defaultdict(float)
    for each in market.accounts.prints("SOLUSDT", START_MS, now_ms):
        filled[each.maker] += each.size
    total = sum(filled.values())
    assert total
    assert all(filled[address] / total == pytest.approx(share, abs=0.01) for address, share in shares.items())
    held = [each.size for each in market.accounts.holdings("SOLUSDT", now_ms) if each.address in shares]
    assert len(held) == len(shares)
    assert len({size > 0 for size in held}) == 1
    assert maker(1, "BTCUSDT") != maker(1, "ETHUSDT")


def test_a_vault_takes_over_one_position_in_fifty_and_sells_it_on(market: SimulatedMarket) -> None:
    """At its level, by a backstop; what it sells on liquidates nobody, and it is left with nothing."""
    vault, now_ms = liquidator_vaults()[0], START_MS
    taken: list[Print] = []
    sold: list[Print] = []
    while not taken:
        since_ms, now_ms = now_ms, now_ms + 60 * MINUTE_MS
        market.advance(now_ms)
        for symbol in SYMBOLS:
            trades = market.accounts.prints(symbol, since_ms, now_ms)
            taken += [each for each in trades if each.maker == vault]
            sold += [each for each in trades if each.trader == vault]
    assert all(each.backstop and each.level == each.price for each in taken)
    assert not any(each.backstop or each.level for each in sold)
    assert sum(each.size for each in taken) == pytest.approx(sum(each.size for each in sold))
    assert market.accounts.of(vault, now_ms) is None


def test_the_leaderboard_names_the_larger_accounts(market: SimulatedMarket) -> None:
    """60 % of them."""
    now_ms = START_MS
    rows = market.accounts.leaderboard(now_ms)
    everyone = sum(len(market.accounts.holdings(symbol, now_ms)) for symbol in SYMBOLS)
    assert len(rows) == round(0.6 * everyone)
    assert rows == sorted(rows, key=lambda row: -row[1])


def test_margin_moves_levels_without_a_trade(market: SimulatedMarket) -> None:
    """Farther where some was added, nearer where it was removed, about as many as it is told to; the
    position is the same, and the level is where it ends."""
    before = {each.address: each for each in market.accounts.holdings("SOLUSDT", START_MS)}
    market.change_margins(48.0)
    now_ms = START_MS + 30 * MINUTE_MS
    market.advance(now_ms)
    after = {each.address: each for each in market.accounts.holdings("SOLUSDT", now_ms)}
    both = [(before[name], each) for name, each in after.items() if name in before and each.level is not None]
    moved = [(old, new) for old, new in both if old.level != new.level]
    assert 0.5 < len(moved) / len(both) < 0.75
    added = 0
    for old, new in moved:
        assert (old.size, old.entry) == (new.size, new.entry)
        assert old.level is not None
        assert new.level is not None
        farther = abs(new.level - new.entry) > abs(old.level - old.entry)
        assert (new.leverage < old.leverage) == farther
        added += farther
        assert (new.level < market.price("SOLUSDT", now_ms)) == (new.size > 0)
    assert 0.7 < added / len(moved) < 0.97
    market.change_margins(0.0)
    known: list[Any] = []
    later_ms = now_ms + MINUTE_MS
    while not known:  # nobody may be liquidated in the first hours of a quiet Sunday
        since_ms, later_ms = later_ms, later_ms + 120 * MINUTE_MS
        market.advance(later_ms)
        ended = [each for each in market.accounts.prints("SOLUSDT", since_ms, later_ms) if each.level]
        known = [each for each in ended if each.trader in after]
    assert all(each.level == after[each.trader].level for each in known)
