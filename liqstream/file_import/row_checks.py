"""Rows of a file among each other: their interval, repeated ones, times that go backwards."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from liqstream.file_import.files import ArchiveError
from liqstream.file_import.formats import NOT_ENDED, Form
from liqstream.market import MINUTE_MS, Bars, Candle, MarketEvent
from liqstream.market.column_guard import confirmed_bars
from liqstream.market.record_bounds import unsound
from liqstream.symbols import INTERVALS_MS, interval_name

LATE_MS = 5 * MINUTE_MS
"""How far our clock may be behind a row that has no interval."""
MIN_CLEAR_STEPS = 2
MOST_WRONG_ROWS, MOST_WRONG_SHARE = 2, 0.1
"""So many rows out of order are wrong ones; more are a whole file in another order."""
TURNOVER_FACTOR = 1.1
"""Beyond a bar's prices by so much, turnover and volume are not of one unit."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, by its line in the file."""

    line: int
    reason: str


@dataclass(slots=True)
class Row:
    """A good row's records, with its line and its own time; what tells equal ones of a file apart, "" for
    nothing."""

    line: int
    time_ms: int
    records: list[MarketEvent]
    occurrence: str = ""


@dataclass(slots=True)
class Reading:
    """A file's rows, sorted into good and bad; the functions here move rows from one to the other."""

    rows: int = 0
    good: list[Row] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    duplicates: int = 0
    other_symbols: int = 0


def by_symbol(rows: list[Row]) -> list[list[Row]]:
    """The rows of each symbol, in their order."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.records[0].symbol, []).append(row)
    return list(groups.values())


def sort_by_time(reading: Reading) -> None:
    """Turn the rows of each symbol around that mostly run backwards in time, as some exports do, and sort
    those that are whole but in another order: files of several months, joined."""
    turned: list[Row] = []
    for rows in by_symbol(reading.good):
        backward = sum(b.time_ms < a.time_ms for a, b in pairwise(rows))
        forward = sum(b.time_ms > a.time_ms for a, b in pairwise(rows))
        turned += _sorted_if_whole(rows[::-1] if backward > forward else rows)
    reading.good = turned


def _sorted_if_whole(rows: list[Row]) -> list[Row]:
    """The rows, sorted where that leaves most an interval apart; some that are out of order are wrong."""
    times = [row.time_ms for row in rows]
    if all(a <= b for a, b in pairwise(times)):
        return rows
    if len(times) - len(_longest_ascending(times)) <= max(MOST_WRONG_ROWS, MOST_WRONG_SHARE * len(times)):
        return rows
    steps = Counter(b - a for a, b in pairwise(sorted(set(times))))
    is_whole = steps.total() > 0 and max(steps.values()) >= (1 - MOST_WRONG_SHARE) * steps.total()
    return sorted(rows, key=lambda row: row.time_ms) if is_whole else rows


def leave_out_other_intervals(reading: Reading, interval_ms: int | None) -> int | None:
    """Leave out bars whose row names another interval than the one asked for, else than most name.

    Returns the one asked for, or that; None where nothing names any.
    """
    named = Counter(filter(None, map(_named_interval, reading.good)))
    wanted_ms = interval_ms or (named.most_common(1)[0][0] if named else None)
    kept: list[Row] = []
    for row in reading.good:
        own_ms = _named_interval(row)
        if wanted_ms and own_ms not in (0, wanted_ms):
            reason = f"its interval is {interval_name(own_ms)}, not {interval_name(wanted_ms)}"
            reading.bad.append(BadRow(row.line, reason))
        else:
            kept.append(row)
    reading.good = kept
    return wanted_ms


def _named_interval(row: Row) -> int:
    """What a row says that its bar lasts, ms; 0 where it does not."""
    bar = row.records[-1]
    return bar.interval_ms if isinstance(bar, Candle) else 0


def check_turnover(reading: Reading) -> None:
    """A bar's turnover is its volume at its prices, or the volume is in USD, or in contracts."""
    wrong = checked = 0
    example = ""
    for row in reading.good:
        bar = row.records[-1]
        if not (isinstance(bar, Candle) and bar.volume_base and bar.volume_quote_usd):
            continue
        checked += 1
        price = bar.volume_quote_usd / bar.volume_base
        if not bar.low / TURNOVER_FACTOR <= price <= bar.high * TURNOVER_FACTOR:
            wrong += 1
            example = example or f"line {row.line} has {price:.6g} USD per coin at a price of {bar.close:.6g}"
    if 2 * wrong > checked:
        raise ArchiveError(f"its volume is not in base coin, or its turnover not in USD: {example}")


def check_traded(reading: Reading) -> None:
    """Bars of mark, index and premium prices have the same names as those of trades, but no volume."""
    volumes = [row.records[-1].volume_base for row in reading.good if isinstance(row.records[-1], Candle)]
    if volumes and all(volume == 0 for volume in volumes):
        raise ArchiveError("all its volumes are 0: these are mark, index or premium prices, not trades")


def leave_out_impossible(reading: Reading, now_ms: int, interval_ms: int | None) -> None:
    """Leave out rows no market can have had, and rows of the future; of an interval, one that is not over."""
    kept: list[Row] = []
    latest_ms = now_ms + (interval_ms or LATE_MS)
    for row in reading.good:
        wrong = next(filter(None, map(unsound, row.records)), "")
        if row.time_ms > latest_ms:
            reading.bad.append(BadRow(row.line, f"time {row.time_ms} is in the future"))
        elif wrong in ("price", "size", "rate"):
            reading.bad.append(BadRow(row.line, f"{_BEYOND[wrong]}, which no market can have had"))
        elif interval_ms and row.time_ms + interval_ms > now_ms:
            reading.bad.append(BadRow(row.line, NOT_ENDED))
        else:
            kept.append(row)
    reading.good = kept


_BEYOND = {
    "price": "a price beyond 1e-12 to 1e9 USD",
    "size": "an amount beyond 1e12 USD",
    "rate": "a rate beyond 1",
}


def leave_out_unconfirmed(reading: Reading, interval_ms: int) -> None:
    """Leave out bars with a price far from the last one that the next bar does not confirm."""
    kept: list[Row] = []
    for rows in by_symbol(reading.good):
        bars = [row.records[-1] for row in rows]
        candles = Bars.from_candles((bar for bar in bars if isinstance(bar, Candle)), interval_ms)
        prices = (candles.open, candles.high, candles.low, candles.close)
        confirmed = confirmed_bars(candles.open_time_ms, prices, interval_ms=interval_ms)
        for row, is_confirmed in zip(rows, confirmed.tolist(), strict=True):
            if is_confirmed:
                kept.append(row)
            else:
                reason = "its price is beyond a factor of 5 from the bar before, and no next bar confirms it"
                reading.bad.append(BadRow(row.line, reason))
    reading.good = kept


def agreed_interval(form: Form, reading: Reading, interval_ms: int | None) -> int:
    """The interval asked for, or what most rows are apart. Raises ArchiveError if they contradict."""
    steps = Counter(
        b.time_ms - a.time_ms
        for rows in by_symbol(reading.good)
        for a, b in pairwise(rows)
        if b.time_ms > a.time_ms
    )
    usual_ms, times = steps.most_common(1)[0] if steps else (0, 0)
    if interval_ms is None:
        if usual_ms not in INTERVALS_MS.values():
            raise ArchiveError("the interval of its rows is not clear; name it with --interval")
        return usual_ms
    clear = times >= MIN_CLEAR_STEPS and 2 * times > steps.total() and usual_ms in INTERVALS_MS.values()
    fits = usual_ms % interval_ms == 0 if not form.regular else usual_ms == interval_ms
    if clear and not fits:
        raise ArchiveError(f"its rows are {interval_name(usual_ms)} apart, not {interval_name(interval_ms)}")
    return interval_ms


def leave_out_off_grid(reading: Reading, interval_ms: int) -> None:
    """Leave out rows that do not open at a whole multiple of the interval."""
    for row in reading.good:
        if row.time_ms % interval_ms:
            reason = f"open_time {row.time_ms} is no multiple of {interval_name(interval_ms)}"
            reading.bad.append(BadRow(row.line, reason))
    reading.good = [row for row in reading.good if row.time_ms % interval_ms == 0]


def leave_out_repeated(reading: Reading) -> None:
    """Leave out rows of a time that was there before; equal ones are counted, others are bad."""
    first: dict[tuple[str, int], Row] = {}
    for row in reading.good:
        known = first.setdefault((row.records[0].symbol, row.time_ms), row)
        if known is row:
            continue
        if known.records == row.records:
            reading.duplicates += 1
        else:
            reading.bad.append(BadRow(row.line, f"says otherwise than line {known.line} of the same time"))
    reading.good = list(first.values())


def leave_out_known_records(reading: Reading) -> None:
    """Leave out single liquidations that came before in the file; captures hold most of them twice."""
    first: dict[tuple[MarketEvent, str], Row] = {}
    for row in reading.good:
        reading.duplicates += first.setdefault((row.records[0], row.occurrence), row) is not row
    reading.good = list(first.values())


def leave_out_backward(reading: Reading) -> None:
    """Leave out the fewest rows that must go for time to run forward: one wild time costs one row."""
    ascending: list[Row] = []
    for rows in by_symbol(reading.good):
        times = [row.time_ms for row in rows]
        kept = range(len(times)) if all(a < b for a, b in pairwise(times)) else _longest_ascending(times)
        for index, row in enumerate(rows):
            if index in kept:
                ascending.append(row)
            else:
                reason = f"time {row.time_ms} goes backwards among its neighbours"
                reading.bad.append(BadRow(row.line, reason))
    reading.good = ascending


def _longest_ascending(times: list[int]) -> set[int]:
    """Indices of a longest strictly ascending subsequence (patience sorting, n log n)."""
    tails: list[int] = []
    tail_index: list[int] = []
    previous: list[int] = []
    for index, time_ms in enumerate(times):
        length = bisect_left(tails, time_ms)
        previous.append(tail_index[length - 1] if length else -1)
        tails[length : length + 1] = [time_ms]
        tail_index[length : length + 1] = [index]
    kept: set[int] = set()
    index = tail_index[-1] if tail_index else -1
    while index >= 0:
        kept.add(index)
        index = previous[index]
    return kept
