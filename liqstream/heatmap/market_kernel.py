"""The kernel of one market: nobody holds a leverage that its venue does not offer."""

from __future__ import annotations

from liqstream.heatmap.kernel import Kernel
from liqstream.heatmap.margin import BracketTable


def kernel_of_market(kernel: Kernel, symbol: str, brackets: BracketTable) -> Kernel:
    """`kernel` without the tiers above the symbol's highest leverage; whole for a symbol without brackets."""
    offered = brackets.symbols.get(symbol)
    if offered is None:
        return kernel
    return kernel.for_max_leverage(max(bracket.max_leverage for bracket in offered))
