"""The levels of a history in the fewest bytes: what of them differs from a prediction, both sides together.

A level mostly stays as it was a column before. Where it does not, the price has mostly passed, or levels of
many prices moved at once, and the level below tells more. So each cell is predicted from one of these two, a
bit says whether it differs, and only cells that do take a byte or three. docs/websocket_api.md has the form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liqstream.heatmap.quantise import QuantisedArray

MOVED_STEPS = 16
"""Where the level below moved by more steps than this since the column before, it predicts the one above."""
_ESCAPE = 255
_IntArray = NDArray[np.int32]


def packed_levels(long: QuantisedArray, short: QuantisedArray, groups: int = 1) -> list[bytes] | None:
    """Both sides of shape (columns, groups * rows) as parts of a body.

    None unless in each column, and group, the longs are below the shorts: one row then parts them.
    """
    columns, height = long.shape
    shape = columns, groups, height // groups
    splits = _splits(long.reshape(shape), short.reshape(shape))
    if splits is None:
        return None
    steps = (long.astype(np.int32) + short).reshape(shape)
    predicted = _predicted(steps)
    zigzag = _zigzag(steps - predicted)
    differs = zigzag > 0
    zigzag[steps == 0] = 0  # a level that is gone, where one was predicted
    moved = splits.copy()
    moved[1:] -= splits[:-1]
    lines = _zigzag(moved).astype("<u2").view(np.uint8).reshape(-1, 2)
    flags = np.packbits(differs.ravel()).tobytes()
    return [flags, lines[:, 0].tobytes(), lines[:, 1].tobytes(), _symbols(zigzag[differs])]


def _splits(long: QuantisedArray, short: QuantisedArray) -> _IntArray | None:
    """The first row that is a short's if anything is, shape (columns, groups)."""
    rows = long.shape[-1]
    has_long, has_short = long > 0, short > 0
    above = np.where(has_long.any(axis=-1), rows - np.argmax(has_long[..., ::-1], axis=-1), 0)
    first = np.where(has_short.any(axis=-1), np.argmax(has_short, axis=-1), rows)
    if np.any(above > first):
        return None
    splits: _IntArray = np.where(above > 0, above, first).astype(np.int32)
    return splits


def _predicted(steps: _IntArray) -> _IntArray:
    """Each cell as its neighbours have it, shape (columns, groups, rows); nothing is beyond the edges."""
    before, below, below_before = (np.zeros_like(steps) for _ in range(3))
    before[1:] = steps[:-1]
    below[:, :, 1:] = steps[:, :, :-1]
    below_before[1:, :, 1:] = steps[:-1, :, :-1]
    moved = np.abs(below - below_before) > MOVED_STEPS
    predicted: _IntArray = np.where((below > 0) & ((before == 0) | moved), below, before)
    return predicted


def _zigzag(values: _IntArray) -> _IntArray:
    """0, -1, 1, -2 ... as 0, 1, 2, 3 ..."""
    return (values << 1) ^ (values >> 31)


def _symbols(values: _IntArray) -> bytes:
    """A byte each, or an escape and two."""
    large = values >= _ESCAPE
    places = np.arange(len(values)) + 2 * (np.cumsum(large) - large)
    out = np.zeros(len(values) + 2 * int(large.sum()), np.uint8)
    out[places] = np.minimum(values, _ESCAPE)
    out[places[large] + 1] = values[large] & 255
    out[places[large] + 2] = values[large] >> 8
    return out.tobytes()
