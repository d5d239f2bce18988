"""Liquidations out of a Hyperliquid node's files of fills, into the store: there all of them stand.

A line is a block, `{"block_time": .., "block_number": .., "events": [[user, fill], ..]}`, or a single
`[user, fill]`, as a node writes them and S3 keeps them (those have to be unpacked: `lz4 -d`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from liqstream.file_import.fields import EARLIEST_MS
from liqstream.file_import.files import ArchiveError
from liqstream.file_import.importer import FileReport, ImportReport
from liqstream.file_import.row_checks import BadRow
from liqstream.market import Liquidation, LiquidationSpan, MarketEvent
from liqstream.market.identity import canonical, contract_name, contract_of, per_coin, single_coins
from liqstream.market.record_bounds import unsound
from liqstream.positions.messages import read_liquidation
from liqstream.store.market_store import MarketStore

EXCHANGE = "hyperliquid"
FORM = "hyperliquid fills"
LATE_MS = 300_000
"""How far our clock may be behind a fill."""
_LZ4 = b"\x04\x22\x4d\x18"


@dataclass(slots=True)
class FillFile:
    """What a file holds: liquidations, each trade once, and the span in which all of a market's are known."""

    rows: int = 0
    liquidations: dict[int, Liquidation] = field(default_factory=dict)
    bad_rows: list[BadRow] = field(default_factory=list)
    duplicates: int = 0
    other_symbols: int = 0
    symbols: set[str] = field(default_factory=set)
    first_ms: int = 2**62
    last_ms: int = 0

    def records(self) -> list[MarketEvent]:
        """Of the store: the liquidations in time order, and the spans."""
        found = sorted(self.liquidations.values(), key=lambda each: each.time_ms)
        spans = [
            LiquidationSpan(EXCHANGE, symbol, self.first_ms, self.last_ms)
            for symbol in sorted(self.symbols)
            if self.last_ms > self.first_ms
        ]
        return [*found, *spans]


def read_fill_file(path: Path, symbol: str | None = None) -> FillFile:
    """Read a file; with `symbol` only its market's fills. Raises ArchiveError for one of no use."""
    found = FillFile()
    try:
        with path.open("rb") as lines:
            if lines.peek(4)[:4] == _LZ4:
                raise ArchiveError(f"it is packed; unpack it first: lz4 -d {path.name}")
            for number, line in enumerate(lines, 1):
                if line.strip():
                    _take_line(found, number, line, symbol)
    except OSError as error:
        raise ArchiveError(error.strerror or str(error)) from None
    if not found.rows:
        reason = f": line {found.bad_rows[0].line}: {found.bad_rows[0].reason}" if found.bad_rows else ""
        raise ArchiveError(f"it holds no fills as a Hyperliquid node writes them{reason}")
    return found


def _take_line(found: FillFile, number: int, line: bytes, wanted: str | None) -> None:
    try:
        for user, fill in _fills(orjson.loads(line)):
            _take_fill(found, str(user), fill, wanted)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        found.bad_rows.append(BadRow(number, f"no fill: {error}"[:120]))


def _fills(line: Any) -> Any:
    """The (user, fill) pairs of a line."""
    return line["events"] if isinstance(line, dict) else [line]


def _take_fill(found: FillFile, user: str, fill: Any, wanted: str | None) -> None:
    time_ms, coin = int(fill["time"]), str(fill["coin"])
    if not EARLIEST_MS <= time_ms <= time.time_ns() // 1_000_000 + LATE_MS:
        raise ValueError(f"{str(time_ms)[:30]} is no time of the past in ms")
    found.rows += 1
    found.first_ms, found.last_ms = min(found.first_ms, time_ms), max(found.last_ms, time_ms)
    contract = contract_of(contract_name(coin) if coin.startswith("k") else f"{coin}USDT")
    symbol = canonical(contract.symbol)
    # Spot pairs (@107, PURR/USDC) and coins of other perpetual exchanges (xyz:GOLD) are none of its markets.
    if not coin.isalnum() or (wanted is not None and symbol != wanted):
        found.other_symbols += 1
        return
    found.symbols.add(symbol)
    read = read_liquidation(fill, user)
    if read is None:
        return
    if read.trade_id in found.liquidations:
        found.duplicates += 1
        return
    price = per_coin(read.price, contract.coins)
    size = single_coins(read.size, contract.coins)
    liquidation = Liquidation(EXCHANGE, symbol, time_ms, read.side, price, size)
    if wrong := unsound(liquidation):
        raise ValueError(f"its {wrong} is beyond what a market can have had")
    found.liquidations[read.trade_id] = liquidation


async def import_fill_files(
    paths: Sequence[Path], symbol: str | None, open_store: Callable[[], Awaitable[MarketStore]]
) -> ImportReport:
    """Import files, in order; importing one twice changes nothing. Raises StoreError.

    In the span of a file all liquidations are known: so calibration may rest on them.
    """
    reports: list[FileReport] = []
    store: MarketStore | None = None
    try:
        for path in paths:
            try:
                found = read_fill_file(path, symbol)
            except ArchiveError as error:
                reports.append(FileReport(path, refused=str(error)))
                continue
            store = store or await open_store()
            reports.append(await _stored(store, path, found))
        summary = tuple(await store.summary()) if store else ()
    finally:
        if store is not None:
            await store.close()
    return ImportReport(tuple(reports), summary)


async def _stored(store: MarketStore, path: Path, found: FillFile) -> FileReport:
    result = await store.append(found.records())
    return FileReport(
        path,
        form=FORM,
        rows=found.rows,
        new_by_kind=dict(result.new_by_table),
        new=result.new,
        duplicates=result.duplicate + found.duplicates,
        replaced=result.replaced,
        bad_rows=tuple(found.bad_rows),
        other_symbols=found.other_symbols,
    )
