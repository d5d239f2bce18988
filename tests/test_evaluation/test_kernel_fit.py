"""liqstream/evaluation/kernel_fit.py: a kernel is found where there is one, and only written if it helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from liqstream.evaluation.kernel_fit import MIN_FIT_DAYS, Fit, fit
from liqstream.evaluation.scoring_data import Realised, ScoreError
from liqstream.market import DAY_MS, HOUR_MS, Bars
from liqstream.model.estimator import Estimator
from liqstream.model.kernel import FITTED_SHARES, Kernel, broad
from tests.support.market_bars import random_bars

DAYS = 70


def hours(days: int = DAYS) -> Bars:
    bars = random_bars(days * 24, volatility=0.003, interval_ms=HOUR_MS)
    return replace(bars, open_time_ms=bars.open_time_ms - bars.open_time_ms[0] % DAY_MS)


def world(bars: Bars, truth: Kernel) -> Realised:
    """Liquidations as `truth` makes them, half as many again, with noise."""
    predicted = Estimator(truth, interval_ms=HOUR_MS).advance(bars)
    noise = np.random.default_rng(3).lognormal(0, 0.3, (2, len(bars)))
    return Realised(
        HOUR_MS,
        bars.open_time_ms,
        1.5 * predicted.raw_long_usd * noise[0],
        1.5 * predicted.raw_short_usd * noise[1],
    )


@pytest.fixture(scope="module")
def found() -> tuple[Fit, Kernel]:
    """A fit from the built-in kernel in a world whose masses lie mostly at 1.5 to 4 %."""
    shares = np.array(FITTED_SHARES)
    shares[8:11] *= 8
    truth = broad(tuple((shares / shares.sum()).tolist()))
    bars = hours()
    return fit(bars, world(bars, truth), broad(), name="found"), truth


def test_the_masses_that_made_the_liquidations_are_found(found: tuple[Fit, Kernel]) -> None:
    """The fit moves most of the way to the truth, and ranks what was kept back better than before."""
    result, truth = found
    before = np.abs(np.array(FITTED_SHARES) - truth.shares).sum()
    after = np.abs(np.array(result.kernel.shares) - truth.shares).sum()
    assert after < 0.5 * before
    assert result.kept
    assert result.forward_spearman > result.forward_spearman_before


def test_a_fitted_kernel_says_where_it_comes_from(found: tuple[Fit, Kernel]) -> None:
    """Span, rows and forward scores are in its provenance; shares sum to 1; the USD scale is refitted."""
    kernel = found[0].kernel
    assert sum(kernel.shares) == pytest.approx(1, abs=1e-4)
    assert kernel.name == "found"
    assert kernel.provenance["days"] == DAYS - 1
    assert kernel.provenance["intervals"] == (DAYS - 1) * 24
    assert kernel.provenance["forward_spearman"] == round(found[0].forward_spearman, 4)
    assert kernel.usd_scale == pytest.approx(1.5 * broad().usd_scale, rel=0.2)


def test_too_little_to_fit_on_is_a_sentence() -> None:
    """Less than sixty days, or bars that do not fit the totals."""
    bars = hours(20)
    with pytest.raises(ScoreError, match=f"{MIN_FIT_DAYS} are needed"):
        fit(bars, world(bars, broad()), broad(), name="x")
    with pytest.raises(ScoreError, match="cannot be scored on bars"):
        fit(bars, replace(world(bars, broad()), interval_ms=HOUR_MS // 2), broad(), name="x")
