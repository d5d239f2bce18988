"""liqstream/feeds/watched_first.py: what somebody looks at is asked about before the rest."""

from __future__ import annotations

from liqstream.feeds.watched_first import watched_first


def test_the_order_follows_who_looks_meanwhile() -> None:
    """Each once; what is watched while the others are under way is next, the rest keeps its order."""
    watched, found = {"C", "X"}, []
    for symbol in watched_first(("A", "B", "C", "D", "E"), watched.copy):
        found.append(symbol)
        if symbol == "A":
            watched.add("E")
    assert found == ["C", "A", "E", "B", "D"]
    assert list(watched_first((), frozenset)) == []
