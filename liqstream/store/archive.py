"""A file of market data into records: good rows kept, bad ones named, a hopeless file refused as a whole."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
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
from liqstream.store.archive_rows import (
    BadRow,
    Reading,
    Row,
    agreed_interval,
    leave_out_backward,
    leave_out_known_events,
    leave_out_off_grid,
    leave_out_repeated,
)
from liqstream.store.csv_fields import shown
from liqstream.symbols import INTERVALS_MS, interval_name

_ARCHIVE_NAME = re.compile(
    r"(?P<symbol>[A-Z0-9]{5,20})-(?:(?P<interval>\d+[mhd])-|metrics-|liquidationSnapshot-)"
)
ROWS_PER_REPORT = 5_000


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
) -> Reading:
    form, positions, width = layout
    reading = Reading()
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
            reading.good.append(Row(line, time_ms, events))
    return reading


def _checked(form: Form, reading: Reading, interval_ms: int | None, verified: bool) -> ArchiveFile:
    if form.on_grid:
        interval_ms = agreed_interval(form, reading, interval_ms)
        leave_out_off_grid(reading, interval_ms)
    if form.sequential:
        leave_out_repeated(reading)
        leave_out_backward(reading)
    else:
        leave_out_known_events(reading)
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


def _nothing_usable(reading: Reading) -> str:
    if reading.bad:
        return f"no usable row; line {reading.bad[0].line}: {reading.bad[0].reason}"
    return "no row of the symbol asked for" if reading.other_symbols else "it has a header and no rows"


def _events(rows: list[Row], interval_ms: int | None) -> Iterator[MarketEvent]:
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
