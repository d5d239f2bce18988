"""liqstream/model/spread.py: the kernel laid over a path, as if its points were added one by one."""

from __future__ import annotations

import numpy as np
import pytest

from liqstream.model.kernel import Kernel, broad, tiered
from liqstream.model.spread import Spread, spread_of


@pytest.mark.parametrize("kernel", [tiered(), broad()])
@pytest.mark.parametrize("width", [1, 16, 17, 64, 65, 300])
def test_the_spread_is_the_sum_of_its_points(kernel: Kernel, width: int) -> None:
    """The one-product convolution equals adding the kernel point by point, whatever the bar's width."""
    spread = Spread(kernel)
    occupancy = np.random.default_rng(width).random(width)
    mass, columns = spread.over(occupancy)
    for group, (long, short) in zip(spread.groups, columns, strict=True):
        size = len(group.masses) + width - 1
        np.testing.assert_allclose(mass[long : long + size], np.convolve(occupancy, group.masses[::-1]))
        np.testing.assert_allclose(mass[short : short + size], np.convolve(occupancy, group.masses))


def test_the_spread_of_a_kernel_is_made_once() -> None:
    """Equal kernels share it; its masses are the kernel's, from the nearest level to its reach."""
    spread = spread_of(tiered())
    assert spread_of(tiered()) is spread
    assert spread_of(broad()) is not spread
    assert spread.masses.sum() == pytest.approx(1)
    assert len(spread.masses) == spread.reach + 1
    assert spread.nearest == int(np.flatnonzero(spread.masses)[0])
