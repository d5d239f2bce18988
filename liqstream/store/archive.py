"""A file of market data into records: good rows kept, bad ones named, a hopeless file refused as a whole."""

from __future__ import annotations

import csv
import re
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path

from liqstream.market import Candle, FundingRate, LiquidationTotal, MarketEvent, OpenInterest
from liqstream.store.archive_files import ArchiveError, csv_text, verify_checksum
from liqstream.store.archive_forms import (
    EXPECTED,
    FORMS,
    HEADERLESS,
    Form,
    Kind,
    Market,
    column_positions,
)
from liqstream.store.csv_fields import shown
from liqstream.symbols import INTERVALS_MS, interval_name

_ARCHIVE_NAME = re.compile(
    r"(?P<symbol>[A-Z0-9]{5,20})-(?:(?P<interval>\d+[mhd])-|metrics-|liquidationSnapshot-)"
)
ROWS_PER_REPORT = 5_000
MIN_CLEAR_STEPS = 2


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, by its line in the file."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """What a file said. `events` are in the file's order, every fact once.

    `rows` counts its data rows, `duplicates` those said before, `other_symbols` those of symbols that were
    not asked for.
    """

    form: str
    interval_ms: int | None
    rows: int
    events: list[MarketEvent]
    bad_rows: list[BadRow]
    duplicates: int
    other_symbols: int
    checksum_verified: bool


@dataclass(slots=True)
class _Row:
    line: int
    time_ms: int
    events: list[MarketEvent]


@dataclass(slots=True)
class _Reading:
    rows: int = 0
    good: list[_Row] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    duplicates: int = 0
    other_symbols: int = 0


def read_bars_file(
    path: Path, *, exchange: str, symbol: str, interval_ms: int | None = None
) -> tuple[list[MarketEvent], list[BadRow]]:
    """Bars of a file, with the open interest, funding and liquidation totals it holds, ascending.

    Open interest comes at its bar's close and before the bar. Without `interval_ms` it is what most rows are
    apart. Raises ArchiveError.
    """
    read = read_archive(path, "bars", exchange=exchange, symbol=symbol, interval_ms=interval_ms)
    return read.events, read.bad_rows


def read_archive(
    path: Path,
    kind: Kind,
    *,
    exchange: str,
    symbol: str | None = None,
    interval_ms: int | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> ArchiveFile:
    """Everything a file says, after its checksum if one lies beside it.

    `symbol` and `interval_ms` may be left out where the file or its name tells them. Raises ArchiveError if
    the file as a whole is of no use: missing, empty, not of this kind, of another market, without a good row.
    `on_rows` is told now and then how many rows have been read.
    """
    verified = verify_checksum(path)
    symbol, interval_ms = _with_what_the_name_says(path, symbol, interval_ms)
    with csv_text(path) as lines:
        form, rows = _recognised(kind, lines)
        if not symbol and "symbol" not in form[1]:
            raise ArchiveError("it does not say of which symbol it is; name it with --symbol")
        market = Market(exchange, symbol or "", interval_ms or 0)
        reading = _read_rows(form, rows, market, on_rows)
    return _checked(form[0], reading, interval_ms, verified)


def _with_what_the_name_says(
    path: Path, symbol: str | None, interval_ms: int | None
) -> tuple[str | None, int | None]:
    """Symbol and interval, completed by an archive's file name such as BTCUSDT-5m-2024-01.zip."""
    name = _ARCHIVE_NAME.match(path.name)
    if name is None:
        return symbol, interval_ms
    named_ms = INTERVALS_MS.get(name["interval"] or "")
    if symbol and symbol != name["symbol"]:
        raise ArchiveError(f"by its name it is of {name['symbol']}, not {symbol}")
    if interval_ms and named_ms and interval_ms != named_ms:
        raise ArchiveError(f"by its name it has {name['interval']} bars, not {interval_name(interval_ms)}")
    return name["symbol"], interval_ms or named_ms


Layout = tuple[Form, dict[str, int], int]
"""A form, our column names by index, and how many columns a row has."""


def _recognised(kind: Kind, lines: Iterable[str]) -> tuple[Layout, Iterator[tuple[int, list[str]]]]:
    """The file's layout by its first line, and its rows with their line numbers."""
    # Quotes are taken off, not interpreted: one that is never closed would swallow the rows behind it.
    reader = csv.reader(lines, quoting=csv.QUOTE_NONE)
    numbered = ((reader.line_num, [text.strip(' "') for text in row]) for row in _rows(reader) if row)
    first = next(numbered, None)
    if first is None:
        raise ArchiveError("it is empty")
    columns = HEADERLESS.get(kind, ())
    if len(first[1]) == len(columns) and any(text.isdecimal() for text in first[1]):
        return _layout(kind, columns), chain([first], numbered)
    return _layout(kind, first[1]), numbered


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ArchiveError(f"it is not CSV: {error}") from None
    except (zlib.error, UnicodeDecodeError) as error:
        raise ArchiveError(f"it is damaged or not a text file: {error}") from None


def _layout(kind: Kind, header: Sequence[str]) -> Layout:
    positions = column_positions(header)
    for form in FORMS[kind]:
        if all(name in positions for name in form.needs):
            return form, positions, len(header)
    found = shown(",".join(header)[:120])
    raise ArchiveError(f"wrong header {found}; expected {EXPECTED[kind]}")


def _read_rows(
    layout: Layout,
    rows: Iterable[tuple[int, list[str]]],
    market: Market,
    on_rows: Callable[[int], None],
) -> _Reading:
    form, positions, width = layout
    reading = _Reading()
    wanted = market.symbol
    for line, texts in rows:
        reading.rows += 1
        if reading.rows % ROWS_PER_REPORT == 0:
            on_rows(reading.rows)
        try:
            if len(texts) != width:
                raise ValueError(f"{len(texts)} of {width} columns")
            time_ms, events = form.parse({name: texts[i] for name, i in positions.items()}, market)
        except ValueError as error:
            reading.bad.append(BadRow(line, str(error)))
            continue
        if wanted and events[0].symbol != wanted:
            reading.other_symbols += 1
        else:
            reading.good.append(_Row(line, time_ms, events))
    return reading


def _checked(form: Form, reading: _Reading, interval_ms: int | None, verified: bool) -> ArchiveFile:
    if form.on_grid:
        interval_ms = _agreed_interval(form, reading, interval_ms)
        _leave_out_off_grid(reading, interval_ms)
    if form.sequential:
        _leave_out_repeated(reading)
        _leave_out_backward(reading)
    else:
        _leave_out_known_events(reading)
    if not reading.good:
        raise ArchiveError(_nothing_usable(reading))
    return ArchiveFile(
        form.name,
        interval_ms if form.on_grid else None,
        reading.rows,
        list(_events(reading.good, interval_ms if form.on_grid else None)),
        sorted(reading.bad, key=lambda bad: bad.line),
        reading.duplicates,
        reading.other_symbols,
        verified,
    )


def _nothing_usable(reading: _Reading) -> str:
    if reading.bad:
        return f"no usable row; line {reading.bad[0].line}: {reading.bad[0].reason}"
    return "no row of the symbol asked for" if reading.other_symbols else "it has a header and no rows"


def _agreed_interval(form: Form, reading: _Reading, interval_ms: int | None) -> int:
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


def _leave_out_off_grid(reading: _Reading, interval_ms: int) -> None:
    for row in reading.good:
        if row.time_ms % interval_ms:
            reason = f"open_time {row.time_ms} is no multiple of {interval_name(interval_ms)}"
            reading.bad.append(BadRow(row.line, reason))
    reading.good = [row for row in reading.good if row.time_ms % interval_ms == 0]


def _leave_out_repeated(reading: _Reading) -> None:
    """Leave out rows of a time that was there before: silently if they say the same."""
    first: dict[tuple[str, int], _Row] = {}
    for row in reading.good:
        known = first.setdefault((row.events[0].symbol, row.time_ms), row)
        if known is row:
            continue
        if known.events == row.events:
            reading.duplicates += 1
        else:
            reading.bad.append(BadRow(row.line, f"says otherwise than line {known.line} of the same time"))
    reading.good = list(first.values())


def _leave_out_known_events(reading: _Reading) -> None:
    first: dict[MarketEvent, _Row] = {}
    for row in reading.good:
        reading.duplicates += first.setdefault(row.events[0], row) is not row
    reading.good = list(first.values())


def _leave_out_backward(reading: _Reading) -> None:
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


def _events(rows: list[_Row], interval_ms: int | None) -> Iterator[MarketEvent]:
    """All records, with the interval that was found out, a funding rate only where it changes."""
    rate: float | None = None
    for row in rows:
        for event in row.events:
            if isinstance(event, FundingRate):
                if event.rate == rate:
                    continue
                rate = event.rate
            yield event if interval_ms is None else _at_interval(event, row.time_ms, interval_ms)


def _at_interval(event: MarketEvent, time_ms: int, interval_ms: int) -> MarketEvent:
    if isinstance(event, Candle | LiquidationTotal):
        return event if event.interval_ms == interval_ms else replace(event, interval_ms=interval_ms)
    if isinstance(event, OpenInterest) and event.time_ms != time_ms + interval_ms:
        return replace(event, time_ms=time_ms + interval_ms)
    return event
