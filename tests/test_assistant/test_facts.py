"""liqstream/assistant/facts.py: what is stated is what the snapshot holds, in order, and bounded."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from liqstream.assistant import facts
from liqstream.client import Forecast, Snapshot
from liqstream.client.forecast import Chance, ExpectedSide, HorizonForecast, Reach, Skill
from liqstream.client.levels import Levels

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def snapshot(long_usd: list[float], short_usd: list[float]) -> Snapshot:
    """A replayed map of 10 USD steps from 900 USD; the price is 1000."""
    return Snapshot(
        symbol="BTCUSDT",
        time=TIME,
        epoch=1,
        seq=1,
        skipped=0,
        stale=True,
        source="replay",
        quality=("bars_late",),
        current_price=1000.0,
        positions_created=0,
        positions_consumed=0,
        grid=Levels.of(900.0, 10.0, long_usd, short_usd),
        silent={"okx": 0},
    )


LONG = [0.0, 5.0, 0.0, 7.0, 0.0, 0.0, 90.0, 1.0, 0.0, 3.0, *[0.0] * 11]
SHORT = [*[0.0] * 11, 4.0, 0.0, 0.0, 80.0, 0.0, 0.0, 0.0, 2.0, 0.0, 6.0]


def test_trust_says_where_from_and_how_old() -> None:
    """Whatever the figures are, these stand beside them."""
    trust = facts.trust_of(snapshot(LONG, SHORT), TIME.timestamp() + 12.34)
    assert trust == {
        "symbol": "BTCUSDT",
        "source": "replay",
        "time": "2026-01-02T03:04:05.000Z",
        "age_s": 12.3,
        "stale": True,
        "quality": ["bars_late"],
        "silent_exchanges": ["okx"],
        "current_price": 1000.0,
    }


def test_levels_are_the_largest_within_range() -> None:
    """Of the sides asked for; how many there are is said, with the bounds."""
    found = facts.levels_of(snapshot(LONG, SHORT), side="both", within_percent=5, most=2)
    assert [(level["price"], level["usd"]) for level in found["long"]["levels"]] == [
        (960.0, 90.0),
        (990.0, 3.0),
    ]
    assert found["long"]["in_range"] == 3
    assert found["short"]["levels"] == [
        {"price": 1040.0, "usd": 80.0, "distance_percent": 4.0},
        {"price": 1010.0, "usd": 4.0, "distance_percent": 1.0},
    ]
    assert found["bounds"] == {"within_percent": 5, "most_per_side": 2, "map_from": 900.0, "map_to": 1100.0}
    assert "short" not in facts.levels_of(snapshot(LONG, SHORT), side="long", within_percent=5, most=2)


def test_clusters_and_sums_are_those_of_the_map() -> None:
    """By the one rule of heatmap/clusters.py; beyond the map a sum says so."""
    found = facts.clusters_of(snapshot(LONG, SHORT), most=1)
    assert [each["price"] for each in found["long"]["clusters"]] == [960.0]
    assert found["short"]["next_big"]["price"] == 1040.0
    assert found["short"]["next_big"]["distance_percent"] == 4.0
    assert -1 <= found["imbalance"] <= 1
    down = facts.sum_of(snapshot(LONG, SHORT), 960.0)
    assert (down["side"], down["usd"], down["distance_percent"]) == ("long", 94.0, -4.0)
    up = facts.sum_of(snapshot(LONG, SHORT), 2000.0)
    assert (up["side"], up["usd"], up["bounds"]["ends_before_the_price"]) == ("short", 92.0, True)


@pytest.mark.parametrize("rows", [0, 21])
def test_an_empty_map_has_nothing_and_fails_nowhere(rows: int) -> None:
    """Also one without any level."""
    empty = snapshot([0.0] * rows, [0.0] * rows)
    assert facts.levels_of(empty, side="both", within_percent=5, most=2)["long"]["levels"] == []
    assert facts.clusters_of(empty, most=2)["short"] == {"clusters": [], "in_all": 0, "next_big": None}
    assert facts.sum_of(empty, 950.0)["usd"] == 0


def test_a_forecast_has_its_range_and_what_may_be_claimed() -> None:
    """Without quantiles the range is unknown; chances are bounded; the whole is JSON."""
    side = ExpectedSide(1e6, {"0.1": 1e5, "0.5": 9e5, "0.9": 3e6})
    chances = [Chance("long", "distance", 990.0, 0.5)] * 100
    skill, reach = Skill(10, 3, "nothing yet"), Reach([0.0, 0.02], [0.9, 0.1])
    horizon = HorizonForecast(1000, 61_000, "cF", 1000.0, side, ExpectedSide(2e6), chances, skill, reach)
    forecast = Forecast("BTCUSDT", 1000, ["binance"], {"1h": horizon})
    stated = facts.forecast_of(forecast, 31.0, from_price=1010.0)
    hour = stated["horizons"]["1h"]
    assert (stated["issued_age_s"], hour["until"]) == (30.0, "1970-01-01T00:01:01.000Z")
    assert hour["long"] == {"expected_usd": 1e6, "range_80_usd": [1e5, 3e6]}
    assert hour["short"]["range_80_usd"] is None
    assert (len(hour["chances"]), hour["verdict"]) == (facts.MOST_LEVELS, "nothing yet")
    assert "chance_to_reach" not in hour
    asked = facts.forecast_of(forecast, 31.0, price=1010.0 * math.exp(-0.01), from_price=1010.0)
    assert asked["horizons"]["1h"]["chance_to_reach"] == pytest.approx(0.5)
    assert json.dumps(asked)


def test_accuracy_is_the_drawn_maps_beside_rules() -> None:
    """Of what the server answers; what it lacks is None."""
    row = {"spearman": 0.4, "spearman_ci": [0.3, 0.5], "other": 1}
    score = {"mean": {"drawn_map": row, "baselines": {"uniform": row}}, "n": 100, "interval": "1h"}
    stated = facts.accuracy_of(score)
    assert stated["drawn_map"] == stated["simple_rules"]["uniform"] == {"spearman": 0.4, "ci_95": [0.3, 0.5]}
    assert (stated["spans_compared"], stated["reason"]) == (100, None)
    assert facts.accuracy_of({"mean": None, "reason": "no totals"})["drawn_map"] is None
