"""The guard's rules in SQL: which stored rows are to be used, and how many are not.

A row that is refused stays where it is and is left out of every read. `$latest` is the guard's latest time
for the market that is read.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from liqstream.market import DAY_MS, MarketKey
from liqstream.market.record_bounds import HIGHEST_PRICE_USD, LARGEST_USD, LOWEST_PRICE_USD

_PAST = "BETWEEN 0 AND $latest"
_INTERVAL = f"interval_ms BETWEEN 1 AND {366 * DAY_MS}"

# Each factor is bounded before the product: 1e200 times 1e200 must not be made.
USABLE: dict[str, str] = {
    "candles": (
        f"open_time_ms {_PAST} AND {_INTERVAL} AND open_time_ms % interval_ms = 0 "
        f"AND low >= {LOWEST_PRICE_USD} AND high <= {HIGHEST_PRICE_USD} "
        "AND low <= least(open, close) AND greatest(open, close) <= high "
        "AND NOT isnan(low + high + open + close) AND coalesce(volume_base, 0) BETWEEN 0 "
        f"AND {LARGEST_USD} / greatest(close, {LOWEST_PRICE_USD})"
    ),
    "open_interest": (
        f"time_ms {_PAST} AND open_interest_base > 0 "
        f"AND open_interest_base <= {LARGEST_USD / LOWEST_PRICE_USD} AND reported >= 0 AND isfinite(reported)"
    ),
    "liquidations": (
        f"time_ms {_PAST} AND price_usd BETWEEN {LOWEST_PRICE_USD} AND {HIGHEST_PRICE_USD} "
        f"AND quantity_base > 0 AND quantity_base <= {LARGEST_USD} / greatest(price_usd, {LOWEST_PRICE_USD})"
    ),
    "liquidation_totals": (
        f"open_time_ms {_PAST} AND {_INTERVAL} AND long_usd BETWEEN 0 AND {LARGEST_USD} "
        f"AND short_usd BETWEEN 0 AND {LARGEST_USD}"
    ),
    "liquidation_spans": f"end_ms {_PAST} AND start_ms BETWEEN 0 AND end_ms",
    "funding": f"time_ms {_PAST} AND abs(rate) <= 1",
}
"""Table -> the condition its usable rows meet."""

_TIMES = {
    "candles": "open_time_ms",
    "open_interest": "time_ms",
    "liquidations": "time_ms",
    "liquidation_totals": "open_time_ms",
    "liquidation_spans": "end_ms",
    "funding": "time_ms",
}

_NEWEST = " UNION ALL ".join(
    f"SELECT exchange, symbol, max({column}) AS newest FROM {table} GROUP BY ALL"  # noqa: S608  names are ours
    for table, column in _TIMES.items()
)


def newest_times(cursor: duckdb.DuckDBPyConnection) -> dict[MarketKey, int]:
    """Every market's newest stored time, UTC ms, whatever it is."""
    sql = f"SELECT exchange, symbol, max(newest) FROM ({_NEWEST}) GROUP BY ALL"  # noqa: S608  names are ours
    return {MarketKey(row[0], row[1]): row[2] for row in cursor.execute(sql).fetchall()}


def refused_rows(
    cursor: duckdb.DuckDBPyConnection, key: MarketKey, latest_ms: int
) -> tuple[dict[str, int], bool]:
    """How many stored rows of a market are left out, by table, and whether one is of its last day."""
    counts: dict[str, int] = {}
    recent = False
    for table, column in _TIMES.items():
        usable = f"coalesce(({USABLE[table]}), false)"
        sql = (
            f"WITH held AS (SELECT {column} AS held_ms, {usable} AS usable FROM {table} "  # noqa: S608
            "WHERE exchange = $exchange AND symbol = $symbol) "
            "SELECT count(*), max(held_ms), (SELECT max(held_ms) FROM held WHERE usable) "
            "FROM held WHERE NOT usable"
        )
        found = cursor.execute(
            sql, {"exchange": key.exchange, "symbol": key.symbol, "latest": latest_ms}
        ).fetchone()
        count, newest, newest_usable = found or (0, None, None)
        if count:
            counts[table] = count
            recent |= newest_usable is None or newest >= newest_usable - DAY_MS
    return counts, recent


def limits(latest_ms: Iterable[tuple[MarketKey, int]]) -> dict[str, list[str] | list[int]]:
    """Parameters of a query over several markets that joins `MARKETS`."""
    known = list(latest_ms)
    return {
        "exchanges": [key.exchange for key, _ in known],
        "symbols": [key.symbol for key, _ in known],
        "latest": [latest for _, latest in known],
    }


def usable_of_markets(table: str) -> str:
    """A query of the usable rows of a table of the markets that `limits` names, each up to its own time."""
    condition = USABLE[table].replace("$latest", "latest")
    return (
        f"SELECT {table}.* FROM {table} JOIN (SELECT unnest($exchanges) AS of_exchange, "  # noqa: S608
        "unnest($symbols) AS of_symbol, unnest($latest) AS latest) "
        f"ON exchange = of_exchange AND symbol = of_symbol WHERE {condition}"
    )
