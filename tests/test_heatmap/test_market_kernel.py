"""A market's kernel holds only leverages its venue offers, and loses no mass by it."""

from __future__ import annotations

import pytest

from liqstream.heatmap.kernel import load_kernel
from liqstream.heatmap.margin import bundled_brackets
from liqstream.heatmap.market_kernel import kernel_of_market


@pytest.mark.parametrize(("symbol", "highest"), [("BTCUSDT", 125), ("SOLUSDT", 100), ("DOGEUSDT", 75)])
def test_tiers_end_at_the_highest_leverage_on_offer(symbol: str, highest: float) -> None:
    """What nobody can hold is not drawn; its mass is at the leverages that are offered."""
    whole = load_kernel("tiered")
    leverages, shares = kernel_of_market(whole, symbol, bundled_brackets()).tiers()
    assert leverages.max() == highest
    assert shares.sum() == pytest.approx(whole.tiers()[1].sum())


def test_a_symbol_without_brackets_keeps_the_whole_kernel() -> None:
    """Nothing is known of what its venue offers: nothing is cut."""
    kernel = load_kernel("tiered")
    assert kernel_of_market(kernel, "NEWUSDT", bundled_brackets()) is kernel
