"""Maps are tried before anybody follows them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from liqstream.heatmap.live_maps import LiveMaps
from liqstream.server.map_proof import prove_maps, try_map


class Maps:
    """Maps of which some cannot be made."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken

    async def get_latest_heatmap_snapshot(self, symbol: str) -> Any:
        """Nothing yet, or an error of this symbol."""
        if symbol in self.broken:
            raise ValueError(symbol)


async def test_one_map_that_can_be_made_is_enough() -> None:
    """Where none can be, the first error is raised."""
    maps = cast("LiveMaps", Maps("A"))
    await prove_maps(maps, ("A", "B"))
    assert isinstance(await try_map(maps, "A"), ValueError)
    assert await try_map(maps, "B") is None
    with pytest.raises(ValueError, match="A"):
        await prove_maps(maps, ("A",))
    await prove_maps(maps, ())
