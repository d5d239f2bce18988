"""Realised liquidations per interval, from given totals and from single events, none counted twice."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np

from liqstream.market import MarketKey
from liqstream.market.coverage import MIN_COVERED
from liqstream.store.guarded_rows import limits, usable_of_markets
from liqstream.store.results import LiquidationTotals

# Where an exchange's totals are stored at several intervals, each output interval takes the one that covers
# most of it, the finest of equals; where that covers too little, the rest of the interval is not known. A
# single event counts only where no total covers its moment.
_TOTALS = f"""
WITH wanted AS (
    FROM ({usable_of_markets("liquidation_totals")})
    WHERE $interval % interval_ms = 0 AND open_time_ms >= $start AND open_time_ms < $end
), per_source AS (
    SELECT exchange, interval_ms, open_time_ms - open_time_ms % $interval AS bucket_ms,
           sum(long_usd) AS long_usd, sum(short_usd) AS short_usd, count(*) * interval_ms AS covered_ms
    FROM wanted GROUP BY exchange, interval_ms, bucket_ms
), chosen AS (
    SELECT bucket_ms, long_usd, short_usd, covered_ms >= {MIN_COVERED} * $interval AS from_totals
    FROM per_source
    QUALIFY row_number() OVER (PARTITION BY exchange, bucket_ms ORDER BY covered_ms DESC, interval_ms) = 1
), events AS (
    SELECT time_ms - time_ms % $interval AS bucket_ms,
           CASE WHEN side = 'long' THEN price_usd * quantity_base ELSE 0 END AS long_usd,
           CASE WHEN side = 'short' THEN price_usd * quantity_base ELSE 0 END AS short_usd,
           false AS from_totals
    FROM ({usable_of_markets("liquidations")}) AS event
    WHERE time_ms >= $start AND time_ms < $end
      AND NOT EXISTS (
          SELECT 1 FROM (SELECT DISTINCT exchange, interval_ms, open_time_ms FROM wanted) AS total
          WHERE total.exchange = event.exchange
            AND total.open_time_ms = event.time_ms - event.time_ms % total.interval_ms)
)
SELECT bucket_ms, sum(long_usd) AS long_usd, sum(short_usd) AS short_usd, bool_or(from_totals) AS from_totals
FROM (FROM chosen UNION ALL FROM events) GROUP BY bucket_ms ORDER BY bucket_ms
"""  # noqa: S608  names are ours

# Totals that no interval of the asked length can be made of, where nothing finer covers their time.
_COARSER = f"""
SELECT DISTINCT interval_ms FROM ({usable_of_markets("liquidation_totals")}) AS coarse
WHERE interval_ms > $interval AND open_time_ms > $start - interval_ms AND open_time_ms < $end
  AND NOT EXISTS (
      SELECT 1 FROM liquidation_totals AS fine
      WHERE fine.exchange = coarse.exchange AND fine.symbol = coarse.symbol
        AND $interval % fine.interval_ms = 0
        AND fine.open_time_ms >= coarse.open_time_ms
        AND fine.open_time_ms < coarse.open_time_ms + coarse.interval_ms)
ORDER BY interval_ms
"""  # noqa: S608  names are ours

_GIVEN = f"""
SELECT DISTINCT interval_ms FROM ({usable_of_markets("liquidation_totals")})
WHERE open_time_ms >= $start AND open_time_ms < $end ORDER BY interval_ms
"""  # noqa: S608  names are ours


def liquidation_totals(
    cursor: duckdb.DuckDBPyConnection,
    markets: Sequence[tuple[MarketKey, int]],
    interval_ms: int,
    *,
    start_ms: int,
    end_ms: int,
    or_coarser: bool = False,
) -> LiquidationTotals:
    """USD liquidated per interval and side in [start_ms, end_ms), added over some markets.

    Each market comes with the guard's latest time for it. With `or_coarser` the interval is the finest, from
    `interval_ms` up, that leaves out no total of the span.
    """
    parameters: dict[str, object] = {
        **limits(markets),
        "interval": interval_ms,
        "start": start_ms,
        "end": end_ms,
    }
    if or_coarser:
        interval_ms = _interval_of_all(cursor, parameters, interval_ms)
        parameters |= {"interval": interval_ms, "start": start_ms - start_ms % interval_ms}
    columns = cursor.execute(_TOTALS, parameters).fetchnumpy()
    return LiquidationTotals(
        interval_ms,
        columns["bucket_ms"].astype(np.int64),
        columns["long_usd"],
        columns["short_usd"],
        columns["from_totals"].astype(np.bool_),
    )


def given_intervals(
    cursor: duckdb.DuckDBPyConnection, market: MarketKey, *, start_ms: int, end_ms: int, latest_ms: int
) -> list[int]:
    """The intervals of which a market's totals are stored that open in [start_ms, end_ms), ascending."""
    parameters = {**limits([(market, latest_ms)]), "start": start_ms, "end": end_ms}
    return [int(row[0]) for row in cursor.execute(_GIVEN, parameters).fetchall()]


def _interval_of_all(
    cursor: duckdb.DuckDBPyConnection, parameters: dict[str, object], interval_ms: int
) -> int:
    coarser = [int(row[0]) for row in cursor.execute(_COARSER, parameters).fetchall()]
    return next(
        (each for each in coarser if each % interval_ms == 0 and all(each % other == 0 for other in coarser)),
        max(coarser, default=interval_ms),
    )
