"""What a young market's readers must know: its USD were not checked on it yet."""

from __future__ import annotations

from typing import Any

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.market import DAY_MS
from liqstream.model.calibration import CALIBRATING_MS

_OF_DAYS = CALIBRATING_MS // DAY_MS


def young_facts(maps: LiveMaps, symbol: str) -> dict[str, Any]:
    """`checked_days` and a sentence, for /ready and REST; {} once liquidations of two weeks are known."""
    days = maps.checked_days(symbol)
    if days is None:
        return {}
    return {"checked_days": days, "note": f"not checked on this market yet ({days} of {_OF_DAYS} days)"}
