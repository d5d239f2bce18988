"""What the last day was like in many markets: prices and open interest of then, liquidations, funding.

One query per table for all markets: a scanner of hundreds of them asks every minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb

from liqstream.market import DAY_MS, HOUR_MS, MarketKey
from liqstream.store.guarded_rows import limits, usable_of_markets

_PATIENCE_MS = 2 * HOUR_MS
"""Open interest of then is the last reading that was no older than this."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One market's figures; None where the store does not know.

    Prices in USD, open interest in base coin with the UTC ms of its newest reading, liquidations in USD by
    side, funding as a fraction per interval with the UTC ms at which it was paid. `totals_end_ms` is where
    the given totals of liquidations end (UTC ms, 0 without any): single ones of before are part of them.
    """

    price_day_ago_usd: float | None = None
    open_interest_hour_ago_base: float | None = None
    open_interest_day_ago_base: float | None = None
    open_interest_ms: int | None = None
    long_usd: float = 0.0
    short_usd: float = 0.0
    totals_end_ms: int = 0
    funding_rate: float | None = None
    funding_ms: int | None = None


# The last bar that had closed by then: its next one had not, an hour's gap aside.
_PRICES = f"""
SELECT exchange, symbol, arg_max(close, open_time_ms + interval_ms) FROM ({usable_of_markets("candles")})
WHERE open_time_ms > $day_ago - 2 * {DAY_MS} AND open_time_ms + interval_ms <= $day_ago
  AND open_time_ms + 2 * interval_ms + {HOUR_MS} > $day_ago
GROUP BY ALL
"""  # noqa: S608  names are ours

_OPEN_INTEREST = f"""
SELECT exchange, symbol,
       arg_max(open_interest_base, time_ms)
           FILTER (time_ms > $hour_ago - {_PATIENCE_MS} AND time_ms <= $hour_ago),
       arg_max(open_interest_base, time_ms) FILTER (time_ms <= $day_ago),
       max(time_ms)
FROM ({usable_of_markets("open_interest")})
WHERE time_ms > $day_ago - {_PATIENCE_MS} AND time_ms <= $now
GROUP BY ALL
"""  # noqa: S608  names are ours

# Of totals at several intervals those count that cover most, the finest of equals; a single event counts only
# where no such total covers its moment.
_LIQUIDATIONS = f"""
WITH wanted AS (
    FROM ({usable_of_markets("liquidation_totals")}) WHERE open_time_ms >= $day_ago AND open_time_ms < $now
), best AS (
    SELECT exchange, symbol, interval_ms FROM wanted GROUP BY exchange, symbol, interval_ms
    QUALIFY row_number() OVER (
        PARTITION BY exchange, symbol ORDER BY count(*) * interval_ms DESC, interval_ms) = 1
), chosen AS (
    SELECT exchange, symbol, interval_ms, open_time_ms, long_usd, short_usd
    FROM wanted SEMI JOIN best USING (exchange, symbol, interval_ms)
), events AS (
    SELECT exchange, symbol, time_ms, side, price_usd * quantity_base AS usd
    FROM ({usable_of_markets("liquidations")}) AS event
    WHERE time_ms >= $day_ago AND time_ms < $now AND NOT EXISTS (
        FROM chosen AS total WHERE total.exchange = event.exchange AND total.symbol = event.symbol
          AND total.open_time_ms = event.time_ms - event.time_ms % total.interval_ms)
)
SELECT exchange, symbol, sum(long_usd), sum(short_usd), max(end_ms) FROM (
    SELECT exchange, symbol, long_usd, short_usd, open_time_ms + interval_ms AS end_ms FROM chosen UNION ALL
    SELECT exchange, symbol, CASE WHEN side = 'long' THEN usd ELSE 0 END,
           CASE WHEN side = 'long' THEN 0 ELSE usd END, 0 FROM events
) GROUP BY ALL
"""  # noqa: S608  names are ours

_FUNDING = f"""
SELECT exchange, symbol, arg_max(rate, time_ms), max(time_ms) FROM ({usable_of_markets("funding")})
WHERE time_ms > $day_ago AND time_ms <= $now GROUP BY ALL
"""  # noqa: S608  names are ours


def day_figures(
    cursor: duckdb.DuckDBPyConnection, markets: Sequence[tuple[MarketKey, int]], now_ms: int
) -> dict[MarketKey, DayFigures]:
    """The figures of some markets at `now_ms` (UTC; liquidations are of the 24 h before it).

    Each market comes with the guard's latest time for it; what the guard refuses is left out.
    """
    found = {key: DayFigures() for key, _ in markets}
    times = {"now": now_ms, "hour_ago": now_ms - HOUR_MS, "day_ago": now_ms - DAY_MS}

    def rows(sql: str) -> list[tuple[MarketKey, tuple[float, ...]]]:
        parameters = limits(markets) | {name: ms for name, ms in times.items() if f"${name}" in sql}
        return [(MarketKey(row[0], row[1]), row[2:]) for row in cursor.execute(sql, parameters).fetchall()]

    for key, (price,) in rows(_PRICES):
        found[key] = replace(found[key], price_day_ago_usd=price)
    for key, (hour_ago, day_ago, newest_ms) in rows(_OPEN_INTEREST):
        found[key] = replace(
            found[key],
            open_interest_hour_ago_base=hour_ago,
            open_interest_day_ago_base=day_ago,
            open_interest_ms=int(newest_ms),
        )
    for key, (long_usd, short_usd, end_ms) in rows(_LIQUIDATIONS):
        found[key] = replace(found[key], long_usd=long_usd, short_usd=short_usd, totals_end_ms=int(end_ms))
    for key, (rate, time_ms) in rows(_FUNDING):
        found[key] = replace(found[key], funding_rate=rate, funding_ms=int(time_ms))
    return found
