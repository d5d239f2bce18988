"""The normal distribution against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from liqstream.model.normal import normal_cdf


def test_it_is_scipys_in_the_tails_too() -> None:
    """To the last digits, of any shape; unknown stays unknown."""
    z = np.linspace(-30, 30, 6000).reshape(3, -1)
    np.testing.assert_allclose(normal_cdf(z), ndtr(z), rtol=1e-12)
    assert float(normal_cdf(-4.0)) == pytest.approx(ndtr(-4.0), rel=1e-12)
    assert np.isnan(normal_cdf(np.nan))
