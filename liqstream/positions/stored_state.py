"""A tracker's accounts and positions to the store and back, and what is drawn, every five minutes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from liqstream.market import FloatArray
from liqstream.positions.accounts import AccountSource
from liqstream.positions.measured import Coverage, MeasuredLevels
from liqstream.positions.tracker import Tracker
from liqstream.store.positions import (
    CELL_WIDTH,
    StoredAccount,
    StoredCell,
    StoredCoverage,
    StoredPosition,
)

SAME_SIZE, SAME_LEVEL = 1e-9, 1e-4
"""A position is written anew once its size or level differs by more than this share."""


@dataclass(frozen=True, slots=True)
class WrittenState:
    """A position as it was written last: signed base coin, USD. `raw_usd` is the account's own USD where the
    level moves with its other positions, NaN where it stands by itself, or that is not known."""

    size: float
    level: float
    raw_usd: float = math.nan


Written = dict[tuple[str, str], WrittenState]
"""By symbol and address."""


def symbol_of(coin: str) -> str:
    """Our symbol of a coin that is counted singly."""
    return f"{coin}USDT"


def coin_of(symbol: str) -> str:
    """The exchange's coin of a symbol."""
    return symbol.removesuffix("USDT")


def restore(
    tracker: Tracker, accounts: Iterable[StoredAccount], positions: Iterable[StoredPosition]
) -> Written:
    """Take in what was stored, with its true ages; returns what need not be written again.

    No level is recomputed or confirmed before its account is read.
    """
    table = tracker.accounts
    for account in accounts:
        row = table.row(account.address, AccountSource.STORE, account.first_ms)
        if row is not None:
            table.source[row] = AccountSource[account.source.upper()]
            table.seen_ms[row], table.read_ms[row] = account.last_ms, account.read_ms
            table.is_opaque[row], table.total_raw_usd[row] = account.opaque, np.nan
    written: Written = {}
    positions = list(positions)
    crosses = Counter(each.address for each in positions if not each.isolated)
    for each in positions:
        row = table.row_of.get(each.address)
        if row is None or not tracker.coins.has_room_for(coin_of(each.symbol)):
            continue
        held = tracker.positions
        slot = held.open(row, tracker.coins.number(coin_of(each.symbol)))
        held.size[slot] = each.size_base
        # Every read since the row was written found the same, but for a level that other positions move.
        moves = not each.isolated and crosses[each.address] > 1
        read_ms = int(table.read_ms[row]) or each.read_ms
        held.checked_ms[slot] = min(each.read_ms, read_ms) if moves else read_ms
        held.entry[slot] = _or_nan(each.entry_price)
        held.level[slot] = _or_nan(each.liquidation_price)
        held.leverage[slot] = _or_nan(each.leverage)
        held.raw_usd[slot] = 0.0 if each.isolated else np.nan
        held.is_dirty[slot] = False
        table.held[row] += 1
        written[each.symbol, each.address] = WrittenState(each.size_base, float(held.level[slot]))
    return written


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def changed_accounts(tracker: Tracker, since_ms: int) -> list[StoredAccount]:
    """The accounts that were seen or read since a time."""
    table = tracker.accounts
    rows = table.rows
    touched = np.maximum(table.seen_ms[:rows], table.read_ms[:rows]) >= since_ms
    return [
        StoredAccount(
            table.addresses[row],
            AccountSource(int(table.source[row])).name.lower(),
            int(table.first_ms[row]),
            int(table.seen_ms[row]),
            int(table.read_ms[row]),
            bool(table.is_opaque[row]),
        )
        for row in np.flatnonzero(touched & (table.first_ms[:rows] > 0)).tolist()
    ]


def changed_positions(tracker: Tracker, written: Written, now_ms: int) -> list[StoredPosition]:
    """The positions that differ from what was written last, those that were closed with size 0.

    A level that only moved with the marks of the account's other coins is no change: after a restart it is
    shown with its age, and recomputed once the account is read again.
    `written` is brought up to date; a store that does not take them has to be given them all again.
    """
    held, found, standing = tracker.positions, [], set()
    raw_usd = _moving_raw_usd(tracker)
    for slot in np.flatnonzero(held.is_open).tolist():
        address = tracker.accounts.addresses[held.account[slot]]
        key = symbol_of(tracker.coins.names[held.coin[slot]]), address
        standing.add(key)
        size, level = float(held.size[slot]), float(held.level[slot])
        now = WrittenState(size, level, float(raw_usd[slot]))
        before = written.get(key)
        if before is not None and _same(before, now):
            continue
        written[key] = now
        found.append(
            StoredPosition(
                *key,
                now_ms if held.is_dirty[slot] else int(held.checked_ms[slot]),
                size,
                _or_none(float(held.entry[slot])),
                _or_none(level),
                _or_none(float(held.leverage[slot])),
                not math.isnan(held.raw_usd[slot]),
            )
        )
    for key in [key for key in written if key not in standing]:
        del written[key]
        found.append(StoredPosition(*key, now_ms, 0.0, None, None, None, isolated=False))
    return found


def _moving_raw_usd(tracker: Tracker) -> FloatArray:
    """By slot the account's own USD, where the level is recomputed from the marks of several; else NaN."""
    held, accounts = tracker.positions, tracker.accounts
    is_cross = held.is_open & np.isnan(held.raw_usd)
    crosses = np.bincount(held.account[is_cross], minlength=accounts.rows)
    account = np.where(held.is_open, held.account, 0)
    moves = is_cross & (crosses[account] > 1) & ~accounts.is_opaque[account]
    raw_usd: FloatArray = np.where(moves, accounts.total_raw_usd[account], np.nan)
    return raw_usd


def _same(was: WrittenState, now: WrittenState) -> bool:
    level_before, level = was.level, now.level
    if abs(now.size - was.size) > SAME_SIZE * abs(was.size):
        return False
    if not math.isnan(was.raw_usd) and not math.isnan(now.raw_usd):
        # What funding, transfers and trades of other coins did to the account, beside what the position is.
        usd = abs(now.size) * (level_before if math.isfinite(level_before) else level)
        return abs(now.raw_usd - was.raw_usd) <= SAME_LEVEL * (
            usd if math.isfinite(usd) else abs(was.raw_usd)
        )
    if math.isnan(level) or math.isnan(level_before):
        return math.isnan(level) == math.isnan(level_before)
    return abs(level - level_before) <= SAME_LEVEL * level_before


def stored_cells(symbol: str, levels: MeasuredLevels, time_ms: int) -> list[StoredCell]:
    """What is drawn of a symbol, in cells of 10 bp of log price."""
    chosen = np.flatnonzero(levels.has_level)
    cell = np.floor(np.log(levels.level[chosen]) / CELL_WIDTH).astype(np.int64)
    usd, is_long = levels.usd[chosen], levels.size[chosen] > 0
    found, place = np.unique(cell, return_inverse=True)
    longs = np.bincount(place, weights=usd * is_long, minlength=len(found))
    shorts = np.bincount(place, weights=usd * ~is_long, minlength=len(found))
    return [
        StoredCell(symbol, time_ms, int(number), float(long_usd), float(short_usd))
        for number, long_usd, short_usd in zip(found, longs, shorts, strict=True)
    ]


def stored_coverage(
    symbol: str,
    coverage: Coverage,
    open_interest: float,
    accounts: int,
    time_ms: int,
    capture: float | None = None,
) -> StoredCoverage:
    """A symbol's coverage as it is stored."""
    return StoredCoverage(
        symbol,
        time_ms,
        coverage.long,
        coverage.short,
        coverage.long_with_level,
        coverage.short_with_level,
        coverage.median_age_ms,
        open_interest,
        accounts,
        capture,
    )
