"""liqstream/client/score.py: a server's score of its map, with the figures that a claim rests on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liqstream.client import ClientError
from liqstream.client.score import decode_score

GAIN = {"spearman": 0.02, "ci": [-0.01, 0.05], "partial_spearman": None, "partial_ci": [None, None]}
FIGURES = {
    "spearman": 0.8074,
    "spearman_ci": [0.7, 0.9],
    "top_decile_share": 0.5,
    "partial_spearman": None,
}
SIDE = {
    **dict.fromkeys(("model", "with_same_bar", "drawn_map"), FIGURES | {"gain_over_uniform": GAIN}),
    "baselines": {"uniform": FIGURES, "uniform_range": FIGURES | {"spearman": 0.846}},
    "gain_over_uniform": GAIN,
    "gain_over_uniform_range": GAIN,
}
BODY: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "exchange": "binance",
    "kernel": "tiered",
    "method": "score-3",
    "hash": "f83974c90b8bb598",
    "from": "2026-05-29T20:30:00Z",
    "to": "2026-06-05T20:30:00Z",
    "n": 670,
    "days": 8,
    "sides": {"long": SIDE, "short": SIDE},
    "mean": SIDE,
    "by_price": {"bits": {"map": None}},
    "forecast": {"1h": {"verdict": "no skill shown here yet"}},
    "warnings": ["only 7 days"],
    "reason": None,
}


def test_figures_and_gains_are_read() -> None:
    """What is only in the JSON, like the forecast's tables, is there as it came."""
    found = decode_score(json.dumps(BODY).encode())
    assert found.mean is not None
    assert found.mean.best.gain_over_uniform is not None
    assert found.mean.best.gain_over_uniform.ci == (-0.01, 0.05)
    assert found.mean.baselines["uniform_range"].gain_over_uniform is None
    assert found.forecast["1h"]["verdict"] == "no skill shown here yet"
    assert (found.begin, found.end) == ("2026-05-29T20:30:00Z", "2026-06-05T20:30:00Z")
    assert repr(found) == "<MapScore binance BTCUSDT 8 days: drawn map 0.807, without a map 0.846>"


def test_a_score_without_totals_says_what_is_missing() -> None:
    """The keys of what could not be scored are None; there is no span."""
    bare = {key: value for key, value in BODY.items() if key not in {"from", "to", "n", "days"}}
    found = decode_score(json.dumps(bare | {"sides": None, "mean": None, "reason": "no totals"}).encode())
    assert repr(found) == "<MapScore binance BTCUSDT: no totals>"
    assert found.begin is None


@pytest.mark.parametrize("bent", [{"mean": 5}, {"sides": {"long": {}}}, {"by_price": None}, {"hash": 1}])
def test_what_cannot_be_read_is_refused(bent: dict[str, Any]) -> None:
    """In one sentence."""
    with pytest.raises(ClientError, match="score cannot be read"):
        decode_score(json.dumps(BODY | bent).encode())
