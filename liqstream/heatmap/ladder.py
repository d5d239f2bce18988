"""The steps in which USD figures are said: a geometric ladder of 2 % in whole USD.

Without it nearly every cell changes a little with every bar, and a delta is no smaller than the whole;
on it, a cell is said again only when it moved by a step a person could see.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liqstream.market import FloatArray

LADDER_RATIO = 1.02
LADDER_FLOOR_USD = 500.0
"""Less than this is said as 0: it is noise beside any real cluster."""
LADDER_TOP_USD = 1e12

RungArray = NDArray[np.uint16]
UsdArray = NDArray[np.int64]

_LOG_RATIO = float(np.log(LADDER_RATIO))
_TOP_RUNG = int(np.ceil(np.log(LADDER_TOP_USD / LADDER_FLOOR_USD) / _LOG_RATIO)) + 1

RUNGS_USD: UsdArray = np.concatenate(
    ([0], np.rint(LADDER_FLOOR_USD * LADDER_RATIO ** np.arange(_TOP_RUNG)))
).astype(np.int64)
"""USD of each rung; rung 0 is nothing, rung 1 is the floor."""
RUNGS_USD.setflags(write=False)


def to_rungs(usd: FloatArray) -> RungArray:
    """The nearest rung, in ratio, of each USD figure; 0 below the floor, the top rung above the top."""
    rungs = np.zeros(usd.shape, dtype=np.uint16)
    said = usd >= LADDER_FLOOR_USD
    nearest = np.rint(np.log(usd[said] / LADDER_FLOOR_USD) / _LOG_RATIO) + 1
    rungs[said] = np.minimum(nearest, _TOP_RUNG).astype(np.uint16)
    return rungs


def to_usd(rungs: RungArray) -> UsdArray:
    """Whole USD of each rung."""
    return RUNGS_USD[rungs]
