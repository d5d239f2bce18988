"""liqstream/heatmap/followed_list.py: a list as it is kept and published."""

from __future__ import annotations

import json
from typing import Any

import pytest

from liqstream.heatmap.followed_list import FollowedList, FollowedMarket, read_followed_list

LIST = FollowedList(
    "top:2",
    1_700_000_000_000,
    {
        "BTCUSDT": FollowedMarket(("binance", "okx")),
        "ETHUSDT": FollowedMarket(("okx",), 1_699_999_999_999),
    },
    {"OLDUSDT": "it is no longer among the largest"},
)


def test_a_list_comes_back_as_it_was() -> None:
    """Through JSON, in its order."""
    found = read_followed_list(json.loads(json.dumps(LIST.document())))
    assert found == LIST
    assert list(found.markets) == ["BTCUSDT", "ETHUSDT"]


def test_each_exchange_has_its_own_symbols() -> None:
    """In the list's order; one that lists none has none."""
    assert LIST.by_exchange(("okx", "binance", "gate")) == {
        "okx": ("BTCUSDT", "ETHUSDT"),
        "binance": ("BTCUSDT",),
        "gate": (),
    }


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"markets": {}},
        {"markets": []},
        {"markets": {"<b>": {"exchanges": [], "below_since_ms": None}}},
        {"markets": {"BTCUSDT": {"exchanges": []}}},
        {"markets": {"BTCUSDT": {"exchanges": [], "below_since_ms": "1"}}},
        {"ranked_ms": -1},
        {"ended": {"<b>": "x"}},
        {"choice": None, "markets": None},
    ],
)
def test_what_is_no_list_is_refused(change: dict[str, Any]) -> None:
    """Whoever wrote it: a file by hand, another version, a stranger in Redis."""
    with pytest.raises(ValueError, match=r"list of markets|is no time"):
        read_followed_list(LIST.document() | change)
    others: list[Any] = [[], None, "x", 1]
    for other in others:
        with pytest.raises(ValueError, match="no list of markets"):
            read_followed_list(other)
