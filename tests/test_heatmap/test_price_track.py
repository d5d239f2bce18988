"""liqstream/heatmap/price_track.py: what was passed since a snapshot, of all exchanges the least."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.heatmap.price_track import NOTHING_PASSED, Passed, PriceSince, PriceTrack
from liqstream.heatmap.snapshot import StreamPosition

EXCHANGES = ("binance", "bybit", "okx")
price = st.integers(90, 110).map(float)
Step = tuple[str, str, float, float]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("snapshot"), st.just(""), price, price),
        st.tuples(st.just("bar"), st.sampled_from(EXCHANGES), price, price),
    ),
    max_size=40,
)


class Told:
    """A market by its whole log, and a track of it that is told what a server would tell it."""

    def __init__(self, epoch: int = 7) -> None:
        self.epoch, self.seq = epoch, 1
        self.log: list[tuple[int, str, float, float]] = []
        self.last = dict.fromkeys(EXCHANGES, 100.0)
        self.open: dict[str, Passed] = {}
        self.messages: list[tuple[StreamPosition, dict[str, Passed], float, dict[str, float]]] = []

    def take(self, step: Step) -> None:
        kind, exchange, one, other = step
        if kind == "snapshot":
            self.seq += 1
            self.open = {}
        else:
            low, high = min(one, other), max(one, other)
            self.log.append((self.seq, exchange, low, high))
            self.open[exchange] = self.open.get(exchange, NOTHING_PASSED).and_by(low, high)
            self.last[exchange] = one
        self.messages.append(
            (StreamPosition(self.epoch, self.seq), dict(self.open), self.last["binance"], dict(self.last))
        )

    def expected(self, seq: int) -> tuple[float, float]:
        lows, highs = [], []
        for exchange in EXCHANGES:
            since = [(low, high) for at, name, low, high in self.log if name == exchange and at >= seq]
            lows.append(min([self.last[exchange], *(low for low, _ in since)]))
            highs.append(max([self.last[exchange], *(high for _, high in since)]))
        return max(lows), min(highs)


def told(track: PriceTrack, market: Told, *, lost: frozenset[int] = frozenset()) -> None:
    """Tell a track all of a market's messages but those that are lost."""
    for number, (position, passed, current_price, last) in enumerate(market.messages):
        if number not in lost:
            track.note_passed(position, passed)
            track.note_price(number, current_price, last)


@given(steps)
def test_it_is_the_least_cleared_of_all_exchanges_since_any_snapshot(taken: list[Step]) -> None:
    """As the whole log has it, however many snapshots lie between."""
    market, track = Told(), PriceTrack()
    for step in [("bar", "okx", 100.0, 100.0), *taken]:
        market.take(step)
    told(track, market)
    for seq in range(1, market.seq + 1):
        since = track.since(StreamPosition(7, seq))
        assert since is not None
        assert (since.low, since.high) == market.expected(seq)
        assert since.is_moved == any(at >= seq for at, *_ in market.log)


@given(steps, st.sets(st.integers(0, 40)), st.randoms())
def test_what_is_lost_or_repeated_hides_nothing_more(
    taken: list[Step], lost: set[int], rng: random.Random
) -> None:
    """A message that is lost makes a mask late, one that is told twice changes nothing."""
    market, track = Told(), PriceTrack()
    for step in [*taken, ("bar", "okx", 100.0, 100.0)]:
        market.take(step)
    told(track, market, lost=frozenset(lost - {len(market.messages) - 1}))
    for position, passed, _, _ in rng.sample(market.messages, len(market.messages)):
        if rng.random() < 0.3 and position.seq == market.seq:
            track.note_passed(position, passed)
    for seq in range(1, market.seq + 1):
        since = track.since(StreamPosition(7, seq))
        assert since is not None
        low, high = market.expected(seq)
        assert since.low >= low
        assert since.high <= high


def test_a_silent_exchange_has_cleared_up_to_its_last_price() -> None:
    """However far the others went."""
    track = PriceTrack()
    track.note_passed(StreamPosition(7, 1), {"binance": Passed(90.0, 101.0)})
    track.note_price(5, 91.0, {"binance": 91.0, "okx": 99.0})
    assert track.since(StreamPosition(7, 1)) == PriceSince(5, 91.0, 99.0, 99.0, is_moved=True)


@pytest.mark.parametrize("position", [(6, 1), (8, 1), (7, 3)], ids=["older epoch", "newer epoch", "later"])
def test_it_knows_nothing_of_a_snapshot_it_was_not_given(position: tuple[int, int]) -> None:
    """Its price may be older than that snapshot."""
    track = PriceTrack()
    track.note_passed(StreamPosition(7, 2), {})
    track.note_price(5, 100.0, {"binance": 100.0})
    assert track.since(StreamPosition(*position)) is None
    assert track.since(StreamPosition(7, 2)) is not None


def test_a_new_epoch_begins_anew() -> None:
    """Its first snapshot is after all that was passed before; the old epoch is over."""
    track = PriceTrack()
    track.note_passed(StreamPosition(7, 2), {"binance": Passed(90.0, 110.0)})
    track.note_passed(StreamPosition(9, 1), {})
    track.note_passed(StreamPosition(7, 2), {"binance": Passed(80.0, 120.0)})
    track.note_price(5, 100.0, {"binance": 100.0})
    since = track.since(StreamPosition(9, 1))
    assert since is not None
    assert (since.low, since.high, since.is_moved) == (100.0, 100.0, False)
    assert track.since(StreamPosition(7, 2)) is None


def test_it_does_not_grow() -> None:
    """What lies before the snapshots it keeps is masked late."""
    track = PriceTrack()
    for seq in range(1, 1000):
        track.note_passed(StreamPosition(7, seq), {"binance": Passed(90.0, 110.0)})
    track.note_price(5, 100.0, {"binance": 100.0})
    assert len(track.segments) < 200
    assert track.since(StreamPosition(7, 1)) == track.since(StreamPosition(7, 990))


def test_nothing_is_known_before_a_price() -> None:
    """Nor before a snapshot."""
    track = PriceTrack()
    assert track.since(StreamPosition(7, 1)) is None
    track.note_passed(StreamPosition(7, 1), {})
    assert track.since(StreamPosition(7, 1)) is None
    assert math.isnan(track.current_price)
