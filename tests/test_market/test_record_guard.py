"""liqstream/market/record_guard.py: what no market can have said is refused, real extremes are confirmed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from liqstream.market import DAY_MS, FundingRate, LiquidationTotal, MarketEvent, MarketKey
from liqstream.market.record_guard import FLAGGED_S, MOST_HELD, RecordGuard
from liqstream.market.refusal_count import Refusal
from tests.support.guarded import FIVE_MS, KEY, NOW_MS, Clocks, bar, held, liquidated, mark


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def guard(clocks: Clocks) -> RecordGuard:
    return clocks.guard()


def reasons(guard: RecordGuard) -> dict[str, int]:
    """Refusals of the market by kind and reason."""
    return {f"{kind} {reason}": count for (_, _, kind, reason), count in guard.refused.items()}


YEAR_2096_MS = 3_976_214_400_000

IMPOSSIBLE: list[tuple[MarketEvent, str]] = [
    (mark(100.0, YEAR_2096_MS), "mark_price time"),
    (replace(bar(0), open_time_ms=YEAR_2096_MS), "bar time"),
    (replace(bar(0), open_time_ms=NOW_MS + 1), "bar grid"),
    (replace(bar(0), high=1e12), "bar price"),
    (replace(bar(0), low=1e-13), "bar price"),
    (replace(bar(0), low=math.nan), "bar price"),
    (replace(bar(0), high=99.0), "bar price"),
    (replace(bar(0), volume_base=1e300), "bar size"),
    (replace(bar(0), volume_base=-1.0), "bar size"),
    (mark(math.inf), "mark_price price"),
    (mark(0.0), "mark_price price"),
    (liquidated(1e200, 1e200), "liquidation price"),
    (liquidated(100.0, 1e200), "liquidation size"),
    (liquidated(100.0, math.nan), "liquidation size"),
    (liquidated(100.0, 0.0), "liquidation size"),
    (liquidated(100.0, 1.0, YEAR_2096_MS), "liquidation time"),
    (held(0.0), "open_interest zero"),
    (held(math.inf), "open_interest size"),
    (held(-1.0), "open_interest size"),
    (held(10.0, YEAR_2096_MS), "open_interest time"),
    (LiquidationTotal("binance", "BTCUSDT", FIVE_MS, NOW_MS, 1e13, 0.0), "liquidation_total size"),
    (LiquidationTotal("binance", "BTCUSDT", FIVE_MS, NOW_MS + 1, 1.0, 0.0), "liquidation_total grid"),
    (FundingRate("binance", "BTCUSDT", NOW_MS, math.nan), "funding rate"),
]


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize(("record", "reason"), IMPOSSIBLE, ids=lambda value: str(value)[:40])
def test_an_impossible_record_is_refused_and_counted(
    guard: RecordGuard, record: MarketEvent, reason: str, past: bool
) -> None:
    """From a socket and from the past alike; the market is flagged, and the sound record after it passes."""
    admit = guard.admit_past if past else guard.admit
    assert admit([record, bar(0)]) == [bar(0)]
    assert reasons(guard) == {reason: 1}
    assert guard.is_flagged(KEY)
    assert guard.last_refusal["binance"] == f"BTCUSDT: {reason.replace(' ', ', ')}"


def test_stored_rows_are_counted_once_however_often_they_are_read(guard: RecordGuard) -> None:
    """As the most that any read has found."""
    for rows, counted in ((0, {}), (3, {"bar stored": 3}), (3, {"bar stored": 3}), (5, {"bar stored": 5})):
        guard.count_stored(KEY, "bar", rows)
        assert reasons(guard) == counted
    guard.count_stored(KEY, "bar", 2)
    assert reasons(guard) == {"bar stored": 5}


def test_the_flag_ends_and_other_markets_never_had_it(guard: RecordGuard, clocks: Clocks) -> None:
    """Half a minute after the last refused record."""
    guard.admit([mark(0.0)])
    assert not guard.is_flagged(MarketKey("bybit", "BTCUSDT"))
    clocks.pass_s(FLAGGED_S - 1)
    assert guard.is_flagged(KEY)
    clocks.pass_s(2)
    assert not guard.is_flagged(KEY)


def test_the_exchange_s_clock_decides_once_it_is_known(guard: RecordGuard, clocks: Clocks) -> None:
    """A minute ahead of it is taken; before, a day ahead of ours. Our clock set back changes nothing."""
    ahead = NOW_MS + 3_600_000
    guard.set_clock("binance", None, None)
    assert guard.admit([mark(100.0, ahead)])
    guard.set_clock("binance", NOW_MS, 0.0)
    assert not guard.admit([mark(100.0, ahead)])
    assert guard.admit([mark(100.0, NOW_MS + 59_000)])
    clocks.now_ms -= 10 * DAY_MS
    guard.set_clock("binance", clocks.now_ms, 0.0)
    assert guard.admit([mark(100.0, NOW_MS)])
    guard.set_clock("binance", clocks.now_ms, 7.0)
    assert not guard.admit([mark(100.0, NOW_MS)])


def test_stored_times_of_other_markets_tell_that_our_clock_is_late(guard: RecordGuard) -> None:
    """A market's own newest row proves nothing; a simulated market may be of any year."""
    later = NOW_MS + 90 * DAY_MS
    guard.note_stored({KEY: later})
    assert guard.latest_ms(KEY) == NOW_MS + DAY_MS
    guard.note_stored({KEY: YEAR_2096_MS, MarketKey("binance", "ETHUSDT"): later})
    assert guard.latest_ms(KEY) == later
    assert guard.latest_ms(MarketKey("simulated-2", "BTCUSDT")) > YEAR_2096_MS


def test_a_price_far_from_the_last_waits_until_rest_confirms_it(guard: RecordGuard) -> None:
    """A split of 1:1000: what waited is given out, and the new price is the one that others are judged by."""
    guard.admit([mark(50_000.0), held(1000.0)])
    split: list[MarketEvent] = [mark(50.0), liquidated(49.0, 2.0), replace(bar(0, 50.0), closed=False)]
    assert guard.admit(split) == []
    assert guard.unconfirmed("binance") == [KEY]
    assert guard.is_flagged(KEY)
    assert guard.confirm(KEY, 48.0, 52.0) == split
    assert guard.unconfirmed("binance") == []
    assert guard.admit([mark(51.0)]) == [mark(51.0)]
    assert not guard.refused


def test_a_price_that_rest_does_not_know_is_refused(guard: RecordGuard) -> None:
    """Then it is counted, and what comes at the old price goes on."""
    guard.admit([mark(50_000.0)])
    assert guard.admit([mark(5e8), mark(50_010.0)]) == [mark(50_010.0)]
    assert guard.confirm(KEY, 49_900.0, 50_100.0) == []
    assert reasons(guard) == {"mark_price price_jump": 1}


def test_the_next_bar_confirms_a_bar_or_refuses_it(guard: RecordGuard) -> None:
    """A wick of 99.97 % is real where the next bar opens near its close; a bar all by itself is not."""
    wick = bar(1, low=0.03)
    assert guard.admit([mark(100.0), bar(0)]) == [mark(100.0), bar(0)]
    assert guard.admit([wick]) == []
    assert guard.admit([bar(2, 101.0)]) == [wick, bar(2, 101.0)]
    assert guard.admit([bar(3, 9000.0)]) == []
    assert guard.admit([bar(4, 101.0)]) == [bar(4, 101.0)]
    assert reasons(guard) == {"bar price_jump": 1}


def test_a_forming_bar_waits_once(guard: RecordGuard) -> None:
    """Its newest state replaces the older, so that none is given out twice."""
    guard.admit([mark(100.0)])
    forming = [replace(bar(0, close), closed=False) for close in (1000.0, 1010.0)]
    assert guard.admit(forming) == []
    assert guard.confirm(KEY, 990.0, 1020.0) == forming[1:]


def test_what_waits_is_bounded(guard: RecordGuard) -> None:
    """A flood of far prices costs a bounded amount of memory, and each is counted."""
    guard.admit([mark(100.0)])
    assert guard.admit([mark(9000.0 + n) for n in range(MOST_HELD + 7)]) == []
    assert reasons(guard) == {"mark_price price_jump": 7}


def test_bars_of_the_past_confirm_each_other(guard: RecordGuard) -> None:
    """Also over two batches; the last that nothing confirmed is refused at the end."""
    split = [bar(0, 50_000.0), bar(1, 50.0), bar(2, 51.0)]
    assert guard.admit_past(split[:2]) == split[:1]
    assert guard.admit_past(split[2:]) == split[1:]
    assert guard.admit_past([bar(3, 9e6)]) == []
    guard.end_past("binance")
    assert reasons(guard) == {"bar price_jump": 1}


def test_a_live_bar_confirms_the_last_of_a_gap(guard: RecordGuard) -> None:
    """It comes before it."""
    guard.admit_past([bar(0, 50_000.0), bar(1, 50.0)])
    assert guard.admit([bar(2, 51.0)]) == [bar(1, 50.0), bar(2, 51.0)]


def test_the_past_s_end_is_what_live_records_are_judged_by(guard: RecordGuard, clocks: Clocks) -> None:
    """If it is not older than ten minutes; else nothing is judged, and that is counted."""
    for late_s, admitted in ((0.0, 0), (3600.0, 1)):
        fresh = clocks.guard()
        fresh.admit_past([held(1000.0), bar(0), bar(1)])
        clocks.pass_s(late_s)
        fresh.set_clock("binance", clocks.now_ms, 0.0)
        fresh.end_past("binance")
        assert len(fresh.admit([mark(9000.0)])) == admitted
        assert fresh.unjudged["binance", "BTCUSDT", "mark_price"] == admitted


def test_a_liquidation_is_no_larger_than_the_open_interest(guard: RecordGuard, clocks: Clocks) -> None:
    """While that is fresh; else it is taken and counted as not judged."""
    guard.admit([mark(100.0), held(1000.0)])
    assert guard.admit([liquidated(100.0, 1001.0), liquidated(100.0, 999.0)]) == [liquidated(100.0, 999.0)]
    assert reasons(guard) == {"liquidation size": 1}
    clocks.pass_s(601)
    assert guard.admit([liquidated(100.0, 1001.0)])
    assert guard.unjudged["binance", "BTCUSDT", "liquidation"] >= 1


def test_a_step_of_open_interest_is_taken_with_its_third_reading(guard: RecordGuard) -> None:
    """Single wild readings, zeros among them, leave no trace."""
    guard.admit([held(1000.0)])
    assert guard.admit([held(5000.0), held(0.0), held(1010.0)]) == [held(1010.0)]
    assert guard.admit([held(5000.0), held(5100.0), held(5200.0), held(5300.0)]) == [
        held(5200.0),
        held(5300.0),
    ]
    assert guard.refused[Refusal("binance", "BTCUSDT", "open_interest", "step")] == 3


def test_nothing_is_refused_of_an_ordinary_market(guard: RecordGuard) -> None:
    """The null case."""
    guard.set_clock("binance", NOW_MS - 20, 20.0)
    records: list[MarketEvent] = [
        mark(100.0),
        held(1000.0),
        bar(-1, 101.0),
        liquidated(99.0, 10.0),
        held(900.0),
        mark(130.0),
    ]
    assert guard.admit(records) == records
    assert not guard.refused
    assert not guard.is_flagged(KEY)


def test_the_clocks_can_be_changed_before_the_first_record(guard: RecordGuard) -> None:
    """To those of whoever collects."""
    other = Clocks()
    guard.run_on(lambda: other.now_ms, lambda: other.monotonic_s)
    other.pass_s(400 * 86_400)
    assert guard.latest_ms(KEY) == other.now_ms + DAY_MS


def test_shorter_bars_beside_the_models_own_move_nothing(guard: RecordGuard) -> None:
    """A far one is left out without a word, and what waits is confirmed by bars of its own length alone."""
    guard.own_interval_ms = FIVE_MS
    minute = replace(bar(1), interval_ms=FIVE_MS // 5)
    assert guard.admit([bar(0), minute]) == [bar(0), minute]
    far = replace(bar(1), high=bar(1).high * 10, close=bar(1).close * 10)
    assert guard.admit([far]) == []
    assert guard.unconfirmed(KEY.exchange) == [KEY]
    late = replace(minute, open_time_ms=minute.open_time_ms + FIVE_MS)
    far_minute = replace(late, high=late.high * 10)
    assert guard.admit([far_minute, late]) == [late]
    assert guard.unconfirmed(KEY.exchange) == [KEY]
    assert reasons(guard) == {}
