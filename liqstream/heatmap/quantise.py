"""Quantisation: USD figures to the nearest of a geometric series of 2 % steps, in whole USD.

Without it nearly every cell changes a little with every bar, and a delta is no smaller than the whole;
with it, a cell is sent again only when it moved by a step a person could see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray

STEP_RATIO = 1.02
FLOOR_USD = 500.0
"""Less than this is quantised to 0: it is noise beside any level that stands out."""
TOP_USD = 1e12

QuantisedArray = NDArray[np.uint16]
"""Step numbers: indices into QUANTISED_USD."""
UsdArray = NDArray[np.int64]

_LOG_RATIO = float(np.log(STEP_RATIO))
_TOP_STEP = int(np.ceil(np.log(TOP_USD / FLOOR_USD) / _LOG_RATIO)) + 1

QUANTISED_USD: UsdArray = np.concatenate(
    ([0], np.rint(FLOOR_USD * STEP_RATIO ** np.arange(_TOP_STEP)))
).astype(np.int64)
"""USD of each step, ascending; step 0 is nothing, step 1 is the floor."""
QUANTISED_USD.setflags(write=False)


def quantise(usd: FloatArray) -> QuantisedArray:
    """The number of the step nearest, in ratio, to each USD figure; same shape.

    0 below the floor, the last step above the top.
    """
    quantised = np.zeros(usd.shape, dtype=np.uint16)
    above_floor = usd >= FLOOR_USD
    nearest = np.rint(np.log(usd[above_floor] / FLOOR_USD) / _LOG_RATIO) + 1
    quantised[above_floor] = np.minimum(nearest, _TOP_STEP).astype(np.uint16)
    return quantised


def dequantise(quantised: QuantisedArray) -> UsdArray:
    """Whole USD of each step number; same shape."""
    return QUANTISED_USD[quantised]
