"""A snapshot as the difference to its base: the levels that changed, by their index in the price grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from liqstream.heatmap.quantise import UsdArray
from liqstream.heatmap.snapshot import HeatmapSnapshot
from liqstream.wire.snapshot_message import OF_BASE, TOTALS, message_of

MAX_DELTA_SHARE = 0.6
"""A delta larger than this share of the full message is sent as the full message."""


def delta_data(base: HeatmapSnapshot, snapshot: HeatmapSnapshot) -> dict[str, Any] | None:
    """The `data` of a delta that takes a holder of `base` to `snapshot`.

    Per side the indices `i` of the levels that differ and their new whole USD `v`, NumPy arrays for orjson.
    None across generators or price grids, where no index means the same in both, and where a field differs
    that a delta does not name (`OF_BASE`).
    """
    if base.epoch != snapshot.epoch or base.grid != snapshot.grid:
        return None
    if message_of(base).part(*OF_BASE) != message_of(snapshot).part(*OF_BASE):
        return None
    return {
        "long": _changed(base.long, snapshot.long),
        "short": _changed(base.short, snapshot.short),
        **message_of(snapshot).part(*TOTALS),
    }


def _changed(base: UsdArray, usd: UsdArray) -> dict[str, Any]:
    cells = np.flatnonzero(base != usd)
    return {"i": cells, "v": usd[cells]}
