"""Realised liquidations per interval, from given totals and from single events, none counted twice."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import numpy as np

from liqstream.store.columns import LiquidationTotals

# Where a venue's totals are stored at several intervals, each output interval takes the one that covers most
# of it, the finest of equals. A single event counts only where no total covers its moment.
_TOTALS = """
WITH wanted AS (
    SELECT * FROM liquidation_totals
    WHERE symbol = $symbol AND ($exchanges IS NULL OR list_contains($exchanges, exchange))
      AND $interval % interval_ms = 0 AND open_time_ms >= $start AND open_time_ms < $end
), per_source AS (
    SELECT exchange, interval_ms, open_time_ms - open_time_ms % $interval AS bucket_ms,
           sum(long_usd) AS long_usd, sum(short_usd) AS short_usd, count(*) * interval_ms AS covered_ms
    FROM wanted GROUP BY exchange, interval_ms, bucket_ms
), chosen AS (
    SELECT bucket_ms, long_usd, short_usd, true AS from_totals FROM per_source
    QUALIFY row_number() OVER (PARTITION BY exchange, bucket_ms ORDER BY covered_ms DESC, interval_ms) = 1
), events AS (
    SELECT time_ms - time_ms % $interval AS bucket_ms,
           CASE WHEN side = 'long' THEN price_usd * quantity_base ELSE 0 END AS long_usd,
           CASE WHEN side = 'short' THEN price_usd * quantity_base ELSE 0 END AS short_usd,
           false AS from_totals
    FROM liquidations AS event
    WHERE symbol = $symbol AND ($exchanges IS NULL OR list_contains($exchanges, exchange))
      AND time_ms >= $start AND time_ms < $end
      AND NOT EXISTS (
          SELECT 1 FROM (SELECT DISTINCT exchange, interval_ms, open_time_ms FROM wanted) AS total
          WHERE total.exchange = event.exchange
            AND total.open_time_ms = event.time_ms - event.time_ms % total.interval_ms)
)
SELECT bucket_ms, sum(long_usd) AS long_usd, sum(short_usd) AS short_usd, bool_or(from_totals) AS from_totals
FROM (FROM chosen UNION ALL FROM events) GROUP BY bucket_ms ORDER BY bucket_ms
"""


def liquidation_totals(
    cursor: duckdb.DuckDBPyConnection,
    symbol: str,
    interval_ms: int,
    *,
    start_ms: int,
    end_ms: int,
    exchanges: Collection[str] | None,
) -> LiquidationTotals:
    """USD liquidated per interval and side, added over some venues or over all."""
    parameters = {
        "symbol": symbol,
        "exchanges": None if exchanges is None else list(exchanges),
        "interval": interval_ms,
        "start": start_ms,
        "end": end_ms,
    }
    columns = cursor.execute(_TOTALS, parameters).fetchnumpy()
    return LiquidationTotals(
        interval_ms,
        columns["bucket_ms"].astype(np.int64),
        columns["long_usd"],
        columns["short_usd"],
        columns["from_totals"].astype(np.bool_),
    )
