"""A file of market data into records: good rows kept, bad ones named, a hopeless file refused as a whole."""

from __future__ import annotations

import csv
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from liqstream.file_import.archive_names import ArchiveName, archive_name, check_member
from liqstream.file_import.fields import shown
from liqstream.file_import.files import ArchiveError, csv_text, member_name, verify_checksum
from liqstream.file_import.formats import (
    BARS,
    EXPECTED,
    FORMS,
    HEADERLESS,
    METRICS,
    Form,
    Kind,
    Market,
    column_positions,
    foreign_columns,
    foreign_market,
)
from liqstream.file_import.row_checks import (
    BadRow,
    Reading,
    Row,
    agreed_interval,
    check_traded,
    check_turnover,
    leave_out_backward,
    leave_out_impossible,
    leave_out_known_records,
    leave_out_off_grid,
    leave_out_other_intervals,
    leave_out_repeated,
    leave_out_unconfirmed,
    sort_by_time,
)
from liqstream.market import MINUTE_MS, Candle, FundingRate, LiquidationTotal, MarketEvent, OpenInterest
from liqstream.market.identity import canonical, in_coins
from liqstream.symbols import interval_name

ROWS_PER_REPORT = 5_000

METRICS_MOVED_MS = 1_782_345_600_000  # 2026-06-25
METRICS_STEP_MS = 5 * MINUTE_MS

NumberedRows: TypeAlias = Iterator[tuple[int, list[str]]]
RowsOf: TypeAlias = Callable[[Path], AbstractContextManager[NumberedRows]]


@contextmanager
def csv_rows_of(path: Path) -> Iterator[NumberedRows]:
    """The rows of a CSV file, packed or not, with their line numbers, the header first."""
    with csv_text(path) as lines:
        yield _csv_rows(lines)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a file is read with: its rows by `rows_of` (CSV, if nothing else), and our clock, UTC ms."""

    rows_of: RowsOf = csv_rows_of
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """What a file holds. `records` are in the file's order, every fact once.

    `rows` counts its data rows, `duplicates` those that repeat an earlier one, `other_symbols` those of
    symbols that were not asked for.
    """

    form: str
    interval_ms: int | None
    rows: int
    records: list[MarketEvent]
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
    return read.records, read.bad_rows


def read_archive(
    path: Path,
    kind: Kind,
    *,
    exchange: str,
    symbol: str | None = None,
    interval_ms: int | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
    inputs: Inputs = Inputs(),
) -> ArchiveFile:
    """All records of a file, after its checksum is verified if one lies beside it.

    `symbol` and `interval_ms` may be left out where the file or its name has them. Raises ArchiveError if
    the file as a whole is of no use: missing, empty, not of this kind, of another market, without a good row.
    `on_rows` is given the number of rows read so far every ROWS_PER_REPORT rows; rows later than
    now and an interval are bad.
    """
    verified = verify_checksum(path)
    if path.suffix.lower() == ".zip" and (member := member_name(path)) is not None:
        check_member(path, member)
        name = archive_name(path) or archive_name(path.parent / member)
    else:
        name = archive_name(path)
    symbol, interval_ms = _completed_by_name(name, symbol, interval_ms)
    if symbol and (why := foreign_market(symbol, exchange)):
        raise ArchiveError(why)
    with inputs.rows_of(path) as rows_of_text:
        form, rows = _recognised(kind, exchange, rows_of_text)
        if not symbol and "symbol" not in form[1]:
            raise ArchiveError("it does not say of which symbol it is; name it with --symbol")
        market = Market(exchange, symbol or "", interval_ms or 0)
        reading = _read_rows(form, rows, market, on_rows)
    if form[0] is BARS:
        check_turnover(reading)
        if name is not None or "ignore" in form[1]:
            check_traded(reading)
    if form[0] is METRICS and exchange == "binance":
        _move_metrics(reading, name)
    return _checked(form[0], reading, interval_ms, (verified, inputs.now_ms()))


def _completed_by_name(
    name: ArchiveName | None, symbol: str | None, interval_ms: int | None
) -> tuple[str | None, int | None]:
    """Symbol and interval, completed by an archive's file name such as BTCUSDT-5m-2024-01.zip."""
    if name is None:
        return symbol, interval_ms
    if symbol and canonical(symbol) != canonical(name.symbol):
        raise ArchiveError(f"by its name it is of {name.symbol}, not {symbol}")
    if interval_ms and name.interval_ms and interval_ms != name.interval_ms:
        named = interval_name(name.interval_ms)
        raise ArchiveError(f"by its name it has {named} bars, not {interval_name(interval_ms)}")
    return name.symbol, interval_ms or name.interval_ms


def _move_metrics(reading: Reading, name: ArchiveName | None) -> None:
    """Open interest to the moment it is of: from 2026-06-25 on `create_time` is when its 5 minutes begin.

    https://github.com/binance/binance-public-data/issues/491. The last row of the day before, dated 00:00, is
    in a file that is named for that day.
    """
    named_before = name is not None and name.date_ms < METRICS_MOVED_MS
    for row in reading.good:
        if row.time_ms > METRICS_MOVED_MS or (row.time_ms == METRICS_MOVED_MS and not named_before):
            row.time_ms += METRICS_STEP_MS
            row.records = [
                replace(record, time_ms=row.time_ms) if isinstance(record, OpenInterest) else record
                for record in row.records
            ]


Layout = tuple[Form, dict[str, int], int]
"""A form, our column names by index, and how many columns a row has."""


def _recognised(
    kind: Kind, exchange: str, numbered: Iterator[tuple[int, list[str]]]
) -> tuple[Layout, Iterator[tuple[int, list[str]]]]:
    """The file's layout by its first line, and its rows with their line numbers."""
    first = next(numbered, None)
    if first is None:
        raise ArchiveError("it is empty")
    columns = HEADERLESS.get(kind, ())
    if len(first[1]) == len(columns) and any(text.isdecimal() for text in first[1]):
        return _layout(kind, columns, exchange), chain([first], numbered)
    return _layout(kind, first[1], exchange), numbered


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows with line numbers. Columns are split at `,`, or where the first line has more of it at `;` or tab.

    Beside `;` a comma in a field is a decimal one.
    """
    try:
        lines = iter(lines)
        first = next(lines, "")
    except UnicodeError as error:
        raise ArchiveError(f"it is damaged or not a text file: {error}") from None
    delimiter = max(",;\t", key=lambda each: (first.count(each), each == ","))
    # Quotes are taken off, not interpreted: one that is never closed would swallow the rows behind it.
    reader = csv.reader(chain([first] if first else [], lines), quoting=csv.QUOTE_NONE, delimiter=delimiter)
    width = 0
    for row in _rows(reader):
        if row:
            width = width or len(row)
            if len(row) > width and _QUOTED_THOUSANDS.search(",".join(row)):
                raise ArchiveError("it has numbers with marks of thousands, in quotes; write them without")
            texts = [text.strip(' "') for text in row]
            yield reader.line_num, list(map(_with_point, texts)) if delimiter == ";" else texts


_QUOTED_THOUSANDS = re.compile(r'"[+-]?\d{1,3}(,\d{3})+(\.\d*)?"')
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d*|[+-]?\d{1,3}(,\d{3})+\.\d*|[+-]?\d{1,3}([.,]\d{3}){2,}")


def _with_point(text: str) -> str:
    """A field with its decimal comma made a point. Raises ArchiveError where thousands are marked: in other
    fields of the file the same mark may stand alone."""
    if _THOUSANDS.fullmatch(text):
        raise ArchiveError(f"it has numbers with marks of thousands, e.g. {shown(text)}; write them without")
    return text.replace(",", ".")


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise ArchiveError(f"it is not CSV: {error}") from None
    except (zlib.error, EOFError, UnicodeError) as error:
        raise ArchiveError(f"it is damaged or not a text file: {error}") from None


def _layout(kind: Kind, header: Sequence[str], exchange: str) -> Layout:
    positions = column_positions(header)
    for form in FORMS[kind]:
        if all(name in positions for name in form.needs):
            if why := foreign_columns(form, header, exchange):
                raise ArchiveError(why)
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
    for line, texts in rows:
        reading.rows += 1
        if reading.rows % ROWS_PER_REPORT == 0:
            on_rows(reading.rows)
        try:
            if len(texts) != width:
                raise ValueError(f"{len(texts)} of {width} columns")
            row = {name: texts[i] for name, i in positions.items()}
            time_ms, records = form.parse(row, market)
        except ValueError as error:
            reading.bad.append(BadRow(line, str(error)))
            continue
        if market.symbol and records[0].symbol != market.symbol:
            reading.other_symbols += 1
        else:
            reading.good.append(Row(line, time_ms, records, row.get("occurrence", "")))
    return reading


def _checked(
    form: Form, reading: Reading, interval_ms: int | None, verified_at: tuple[bool, int]
) -> ArchiveFile:
    verified, now_ms = verified_at
    if form.sequential:
        interval_ms = leave_out_other_intervals(reading, interval_ms)
        sort_by_time(reading)
    if not reading.good:
        raise ArchiveError(_nothing_usable(reading))
    if form.on_grid:
        interval_ms = _interval(form, reading, interval_ms)
        leave_out_off_grid(reading, interval_ms)
        for row in reading.good:
            row.records = [_at_interval(record, row.time_ms, interval_ms) for record in row.records]
    leave_out_impossible(reading, now_ms, interval_ms if form.on_grid else None)
    if form.sequential:
        leave_out_repeated(reading)
        leave_out_backward(reading)
    else:
        leave_out_known_records(reading)
    if form is BARS and interval_ms:
        leave_out_unconfirmed(reading, interval_ms)
    if not reading.good:
        raise ArchiveError(_nothing_usable(reading))
    return ArchiveFile(
        form.name,
        interval_ms if form.on_grid else None,
        reading.rows,
        list(_records(reading.good)),
        sorted(reading.bad, key=lambda bad: bad.line),
        reading.duplicates,
        reading.other_symbols,
        verified,
    )


def _interval(form: Form, reading: Reading, interval_ms: int | None) -> int:
    """The rows' interval; where it is not clear because rows are bad, the first of them is the reason."""
    try:
        return agreed_interval(form, reading, interval_ms)
    except ArchiveError as error:
        if not reading.bad:
            raise
        first = min(reading.bad, key=lambda bad: bad.line)
        raise ArchiveError(f"line {first.line}: {first.reason}; of the other rows: {error}") from None


def _nothing_usable(reading: Reading) -> str:
    if reading.bad:
        first = min(reading.bad, key=lambda bad: bad.line)
        return f"no usable row; line {first.line}: {first.reason}"
    return "no row of the symbol asked for" if reading.other_symbols else "it has a header and no rows"


def _records(rows: list[Row]) -> Iterator[MarketEvent]:
    """All records, of bars a funding rate only where it changes."""
    rates: dict[str, float] = {}
    for row in rows:
        for record in row.records:
            if isinstance(record, FundingRate) and len(row.records) > 1:
                if record.rate == rates.get(record.symbol):
                    continue
                rates[record.symbol] = record.rate
            yield in_coins(record)


def _at_interval(record: MarketEvent, time_ms: int, interval_ms: int) -> MarketEvent:
    if isinstance(record, Candle | LiquidationTotal):
        return record if record.interval_ms == interval_ms else replace(record, interval_ms=interval_ms)
    if isinstance(record, OpenInterest) and record.time_ms != time_ms + interval_ms:
        return replace(record, time_ms=time_ms + interval_ms)
    return record
