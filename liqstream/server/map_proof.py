"""Whether maps can be made at all, tried before anybody follows the stream."""

from __future__ import annotations

from collections.abc import Sequence

from liqstream.heatmap.live_maps import LiveMaps


async def prove_maps(maps: LiveMaps, symbols: Sequence[str]) -> None:
    """Raise what keeps every map from being made: a stream that nobody follows would not meet it."""
    failed = [error for symbol in symbols if (error := await try_map(maps, symbol)) is not None]
    if failed and len(failed) == len(symbols):
        raise failed[0]


async def try_map(maps: LiveMaps, symbol: str) -> Exception | None:
    """Make a symbol's map; what keeps it from being made, None if nothing does."""
    try:
        await maps.get_latest_heatmap_snapshot(symbol)
    except Exception as error:  # noqa: BLE001  # whatever a stored value does to the model, others are served
        return error
    return None
