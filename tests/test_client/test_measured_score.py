"""liqstream/client/measured_score.py: the judgement by measured positions, read as the score writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liqstream.client import ClientError
from liqstream.client.measured_score import decode_measured_score
from liqstream.evaluation.bootstrap import Bootstrap
from liqstream.evaluation.market_score import method_of_score
from liqstream.evaluation.measured_score import nothing_judged, score_measured
from tests.test_evaluation.test_measured_score import estimates, looks_at

HEAD = {"symbol": "BTCUSDT", "exchange": "hyperliquid", "against": "measured", "kernel": "tiered"}


def body(days: int) -> dict[str, Any]:
    """What the server answers of a map on which positions do stand."""
    judged = estimates(days)
    span = {"bars": "5m", "from": "2026-05-29T20:30:00Z", "to": "2026-06-28T20:30:00Z"}
    return HEAD | span | score_measured(looks_at(judged, 1), judged, Bootstrap(draws=50)) | method_of_score()


def test_the_figures_are_those_of_the_score() -> None:
    """Every row beside the map, every size, with intervals once the map has settled."""
    content = body(15)
    found = decode_measured_score(json.dumps(content).encode())
    mean, one = found.mean, content["mean"]
    assert mean is not None
    assert (mean.rank, mean.bits, mean.over_distance) == (one["rank"], one["bits"], one["over_distance"])
    assert mean.bits_ci == tuple(one["bits_ci"])
    assert mean.baselines["ceiling"].difference == one["baselines"]["ceiling"]["difference"]
    assert mean.baselines.keys() == one["baselines"].keys()
    assert found.size_classes.keys() == content["size_classes"].keys()
    assert (found.begin, found.end, found.hash) == (content["from"], content["to"], content["hash"])
    assert repr(found) == f"<MeasuredScore hyperliquid BTCUSDT: {content['sentence']}>"


def test_an_unsettled_score_has_no_intervals() -> None:
    """Before a fortnight the verdict says so."""
    found = decode_measured_score(json.dumps(body(3)).encode())
    assert found.mean is not None
    assert found.mean.bits_ci is None
    assert found.verdict == "settling: 3 of 14 days"


def test_where_nothing_is_measured_the_reason_is_read() -> None:
    """Every figure is None."""
    nothing = HEAD | nothing_judged("no look") | method_of_score()
    found = decode_measured_score(json.dumps(nothing | {"bars": None, "from": None, "to": None}).encode())
    assert (found.mean, found.sides, found.verdict) == (None, {"long": None, "short": None}, None)
    assert repr(found) == "<MeasuredScore hyperliquid BTCUSDT: no look>"


@pytest.mark.parametrize("bent", [{"mean": 5}, {"sides": {"long": {}}}, {"judged": None}, {"hash": 1}])
def test_what_cannot_be_read_is_refused(bent: dict[str, Any]) -> None:
    """In one sentence."""
    content = HEAD | nothing_judged("no look") | method_of_score()
    with pytest.raises(ClientError, match="score cannot be read"):
        decode_measured_score(json.dumps(content | bent).encode())
