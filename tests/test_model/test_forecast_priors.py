"""liqstream/model/forecast_priors.py: what ships is whole, sane and says where it is from."""

from __future__ import annotations

import json

import numpy as np

from liqstream.model.forecast_features import HORIZONS
from liqstream.model.forecast_priors import prior_from_json, prior_to_json, shipped_priors
from liqstream.model.forecast_range import REACH_GRID


def test_every_horizon_ships_with_a_starting_point() -> None:
    """Ranges persist, chances fall, factors are near one, intervals have a width."""
    priors = shipped_priors()
    assert set(priors) == set(HORIZONS)
    for prior in priors.values():
        assert 0.5 < prior.range.coefficients[1:5].sum() < 1.1
        assert (np.diff(prior.range.reach) <= 0).all()
        assert len(prior.range.reach) == len(REACH_GRID)
        assert all(0.3 < factor < 3.0 for factor in prior.factors)
        for row in ("cF", "N2+T"):
            spread = prior.spread_of(row)
            assert spread is not None
            assert (np.diff(spread.quantiles, axis=1) > 0).all()


def test_a_regression_without_an_interval_of_its_own_starts_from_the_served_one() -> None:
    """Baselines start from the interval of the row that is served, so that none has an advantage."""
    prior = shipped_priors()["1h"]
    assert prior.spread_of("N1") is prior.spread_of("N2+T")


def test_spans_overlap_or_not() -> None:
    """A score looks at the span before it uses a prior."""
    prior = shipped_priors()["1h"]
    assert prior.overlaps(prior.from_ms - 10, prior.from_ms + 1)
    assert not prior.overlaps(prior.from_ms - 10, prior.from_ms)
    assert not prior.overlaps(prior.to_ms, prior.to_ms + 10)


def test_json_gives_back_the_same_prior() -> None:
    """Written and read again it is equal, to the digits it is written with."""
    prior = shipped_priors()["30m"]
    content = prior_to_json(prior)
    again = prior_to_json(prior_from_json(json.loads(json.dumps(content))))
    assert again == content
