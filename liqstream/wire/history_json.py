"""A history as the JSON of the REST API, written column by column within bounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import orjson

from liqstream.heatmap.history_matrix import HistoryMatrix
from liqstream.heatmap.snapshot import iso_utc
from liqstream.symbols import INTERVALS_MS, interval_name
from liqstream.wire.history_codec import history_columns
from liqstream.wire.numbers import json_number

MAX_LEVELS = 1_000_000
"""Levels of all columns together: cells where anything stands."""
MAX_BYTES = 64_000_000
_PART_BYTES = 500_000


class HistoryTooLargeError(ValueError):
    """More than fits into one answer; the message says what would."""


def history_json(matrix: HistoryMatrix) -> Iterator[bytes]:
    """The JSON text in parts of about half a megabyte; to be iterated in a thread.

    Each column is encoded on its own: one call of the encoder holds the interpreter until it returns.
    Raises HistoryTooLargeError, before the first part or once MAX_BYTES are reached.
    """
    levels = int(np.count_nonzero(matrix.long | matrix.short))
    if levels > MAX_LEVELS:
        raise HistoryTooLargeError(_too_large(matrix, f"{levels} levels", levels / MAX_LEVELS))
    part, size, total = [b'{"data":['], 0, 0
    for number, column in enumerate(history_columns(matrix)):
        text = orjson.dumps(column)
        part.append(b"," + text if number else text)
        size += len(text)
        if size >= _PART_BYTES:
            total += size
            if total > MAX_BYTES:
                part_done = (number + 1) / matrix.columns
                size_all = round(total / part_done)
                raise HistoryTooLargeError(_too_large(matrix, f"{size_all} bytes", size_all / MAX_BYTES))
            yield b"".join(part)
            part, size = [], 0
    part.append(b'],"meta":' + orjson.dumps(_meta(matrix)) + b"}")
    yield b"".join(part)


def _meta(matrix: HistoryMatrix) -> dict[str, object]:
    return {
        "symbol": matrix.symbol,
        "interval": interval_name(matrix.interval_ms),
        "start_time": iso_utc(matrix.t0_ms),
        "end_time": iso_utc(matrix.t0_ms + matrix.columns * matrix.interval_ms),
        "exchanges": matrix.exchanges,
        "price_bin_size": json_number(matrix.grid.step),
        "columns": matrix.columns,
        "source": matrix.source,
        "stale": matrix.stale,
        "quality": list(matrix.quality),
        "kernel": matrix.kernel,
    }


def _too_large(matrix: HistoryMatrix, what: str, times: float) -> str:
    """A sentence with the finest interval that fits, and the span that does at this one."""
    fitting = next((n for n, ms in INTERVALS_MS.items() if ms >= times * matrix.interval_ms), "")
    longer = f"interval={fitting}, " if fitting else ""
    return (
        f"{what} in one answer are too many; {longer}at most {int(matrix.columns / times)} columns, a larger "
        "price_bin_size, or the compact form of /api/heatmap/{symbol}/history would fit"
    )
