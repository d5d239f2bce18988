"""liqstream/cli/measured_tables.py: the table of each side that was judged, and the sentence."""

from __future__ import annotations

from typing import Any

import pytest

from liqstream.cli.console import make_console
from liqstream.cli.measured_tables import show_measured
from liqstream.evaluation.measured_score import nothing_judged

BASELINES = (
    "distance", "ceiling", "smeared", "flat", "broad", "B3", "one_sided", "beyond_24h", "permuted",
)  # fmt: skip


def scored() -> dict[str, Any]:
    """A score of the longs alone."""
    row = {"rank": 0.1, "rank_ci": [0.0, 0.2], "bits": 0.2, "difference": -0.05, "ci": [-0.1, 0.0]}
    figures = {"rank": 0.3, "rank_ci": [0.2, 0.4], "bits": 0.12, "bits_ci": [0.1, 0.14], "looks": 48}
    side = figures | {
        "accounts": 31,
        "coverage": 0.31,
        "random_levels": -0.4,
        "baselines": dict.fromkeys(BASELINES, row) | {"ceiling": dict.fromkeys(row)},
    }
    head = {"symbol": "BTCUSDT", "exchange": "hyperliquid", "kernel": "tiered", "bars": "5m"}
    return (
        nothing_judged("")
        | head
        | {
            "sides": {"long": side, "short": None},
            "mean": side,
            "size_classes": {"to_100k": None, "to_1m": None, "above_1m": figures | {"accounts": 20}},
            "sentence": "Against 31 measured accounts.",
            "reason": None,
        }
    )


def printed(content: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    show_measured(make_console(pipe_width=150), content)
    return capsys.readouterr().out


def test_a_side_that_was_judged_has_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row that is known, what chance would give, sizes apart, the sentence last."""
    text = printed(scored(), capsys)
    assert "long: 31% of open interest, 31 accounts in reach" in text
    assert "short:" not in text
    assert "0.300 [0.200, 0.400]" in text
    assert "-0.050 [-0.100, +0.000]" in text
    assert "measured a day before" not in text
    assert "levels anywhere would give the map -0.400 bits" in text
    assert "positions above 1M USD: +0.120 [+0.100, +0.140] bits" in text
    assert text.rstrip().endswith("Against 31 measured accounts.")


def test_what_cannot_be_judged_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """The counts and the reason."""
    content = scored() | nothing_judged("none of 90 looks knows enough") | {"looks": 90}
    text = printed(content, capsys)
    assert "90 looks, judged 0 of longs, 0 of shorts" in text
    assert "settling: none of 90 looks knows enough" in text
