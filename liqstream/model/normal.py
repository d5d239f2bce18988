"""The standard normal distribution, by the standard library: scipy.special costs each process 18 MB."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from liqstream.market import FloatArray

_each: Any = np.vectorize(lambda z: 0.5 * math.erfc(-z * math.sqrt(0.5)), otypes=[np.float64])


def normal_cdf(z: ArrayLike) -> FloatArray:
    """The chance of a draw below `z`, of any shape; NaN where `z` is. Made for thousands of values."""
    below: FloatArray = _each(z)
    return below
