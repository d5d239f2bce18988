"""Rows of a file among each other: their interval, repeated ones, times that go backwards."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from liqstream.market import MarketEvent
from liqstream.store.archive_files import ArchiveError
from liqstream.store.archive_forms import Form
from liqstream.symbols import INTERVALS_MS, interval_name

MIN_CLEAR_STEPS = 2


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, by its line in the file."""

    line: int
    reason: str


@dataclass(slots=True)
class Row:
    """A good row's records, with its line and its own time."""

    line: int
    time_ms: int
    events: list[MarketEvent]


@dataclass(slots=True)
class Reading:
    """A file's rows, sorted into good and bad; the functions here move rows from one to the other."""

    rows: int = 0
    good: list[Row] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    duplicates: int = 0
    other_symbols: int = 0


def agreed_interval(form: Form, reading: Reading, interval_ms: int | None) -> int:
    """The interval asked for, or what most rows are apart. Raises ArchiveError if they contradict."""
    steps = Counter(b.time_ms - a.time_ms for a, b in pairwise(reading.good) if b.time_ms > a.time_ms)
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
    """Leave out rows of a time that was there before: silently if they say the same."""
    first: dict[tuple[str, int], Row] = {}
    for row in reading.good:
        known = first.setdefault((row.events[0].symbol, row.time_ms), row)
        if known is row:
            continue
        if known.events == row.events:
            reading.duplicates += 1
        else:
            reading.bad.append(BadRow(row.line, f"says otherwise than line {known.line} of the same time"))
    reading.good = list(first.values())


def leave_out_known_events(reading: Reading) -> None:
    """Leave out single events that were told before; captures hold most of them twice."""
    first: dict[MarketEvent, Row] = {}
    for row in reading.good:
        reading.duplicates += first.setdefault(row.events[0], row) is not row
    reading.good = list(first.values())


def leave_out_backward(reading: Reading) -> None:
    """Leave out the fewest rows that must go for time to run forward: one wild time costs one row."""
    times = [row.time_ms for row in reading.good]
    if all(a < b for a, b in pairwise(times)):
        return
    kept = _longest_ascending(times)
    for index, row in enumerate(reading.good):
        if index not in kept:
            reading.bad.append(BadRow(row.line, f"time {row.time_ms} goes backwards among its neighbours"))
    reading.good = [row for index, row in enumerate(reading.good) if index in kept]


def _longest_ascending(times: list[int]) -> set[int]:
    """Indices of a longest strictly ascending subsequence (patience sorting, n log n)."""
    tails: list[int] = []
    tail_index: list[int] = []
    before: list[int] = []
    for index, time_ms in enumerate(times):
        length = bisect_left(tails, time_ms)
        before.append(tail_index[length - 1] if length else -1)
        tails[length : length + 1] = [time_ms]
        tail_index[length : length + 1] = [index]
    kept: set[int] = set()
    index = tail_index[-1] if tail_index else -1
    while index >= 0:
        kept.add(index)
        index = before[index]
    return kept
