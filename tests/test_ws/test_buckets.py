"""A bucket sends at once after a quiet interval, else at its tick, newest only."""

from __future__ import annotations

from itertools import pairwise

from liqstream.ws.buckets import FULL_EVERY, Bucket, Ticks, skipped_since
from liqstream.ws.encoding import EncodedSnapshot
from tests.snapshots import first_snapshot
from tests.test_ws.hand_clock import HandClock


class Follower:
    """Collects what a bucket of BTCUSDT and ETHUSDT emits."""

    def __init__(self, interval_s: int) -> None:
        self.clock = HandClock()
        self.emitted: list[tuple[float, dict[str, int]]] = []
        self.deltas: list[bool] = []
        self.bucket = Bucket(interval_s, self.clock, emit=self._take)
        self.bucket.followers.update(("BTCUSDT", "ETHUSDT"))

    def _take(self, bucket: Bucket, ticks: Ticks) -> None:
        del bucket
        at = round(self.clock.now - 1000, 3)
        self.emitted.append((at, {symbol: tick.said.id[1] for symbol, tick in ticks.items()}))
        self.deltas += [tick.base is not None for tick in ticks.values()]

    def offer(self, *names: str, seq: int) -> None:
        self.bucket.offer([EncodedSnapshot(first_snapshot(name, seq=seq)) for name in names])


def test_a_change_after_a_quiet_time_goes_at_once() -> None:
    """Nobody waits for a tick when nothing was sent for an interval."""
    follower = Follower(5)
    follower.offer("BTCUSDT", seq=1)
    follower.clock.advance(60)
    follower.offer("BTCUSDT", seq=2)
    assert follower.emitted == [(0, {"BTCUSDT": 1}), (60, {"BTCUSDT": 2})]


def test_changes_within_the_interval_wait_for_its_end() -> None:
    """The newest of them, once, at the interval's end."""
    follower = Follower(5)
    for seq in range(1, 5):
        follower.offer("BTCUSDT", seq=seq)
        follower.clock.advance(1)
    follower.clock.advance(10)
    assert follower.emitted == [(0, {"BTCUSDT": 1}), (5, {"BTCUSDT": 4})]


def test_a_tick_of_several_symbols_stays_one() -> None:
    """Symbols that change together are sent together, also when they had to wait."""
    follower = Follower(2)
    for seq in (1, 2, 3, 4):
        follower.offer("BTCUSDT", "ETHUSDT", seq=seq)
        follower.clock.advance(1)
    assert [set(ticks) for _, ticks in follower.emitted] == [{"BTCUSDT", "ETHUSDT"}] * len(follower.emitted)
    # The second tick's news was a second old, so the third does not wait as long.
    assert [at for at, _ in follower.emitted] == [0, 2, 3.5]


def test_a_generator_that_wavers_is_not_made_late() -> None:
    """Ticks a little early or late go out when they come, at the interval's pace over time."""
    follower = Follower(1)
    for seq, wait_s in enumerate((1.1, 0.9, 1.15, 0.85, 1.0), start=1):
        follower.offer("BTCUSDT", seq=seq)
        follower.clock.advance(wait_s)
    assert [seq["BTCUSDT"] for _, seq in follower.emitted] == [1, 2, 3, 4, 5]
    assert [at for at, _ in follower.emitted] == [0, 1.1, 2.0, 3.15, 4.0]


def test_news_does_not_wait_for_ever() -> None:
    """A generator that beats at other moments than the first snapshot came is followed after a few ticks."""
    for interval_s in (1, 5):
        follower = Follower(interval_s)
        follower.offer("BTCUSDT", seq=1)
        follower.clock.advance(0.4 * interval_s)
        for seq in range(2, 12):
            follower.offer("BTCUSDT", seq=seq)
            follower.clock.advance(interval_s)
        times = [at for at, _ in follower.emitted]
        assert [seq["BTCUSDT"] for _, seq in follower.emitted] == list(range(1, 12))
        assert times[4:] == [round((number - 0.6) * interval_s, 3) for number in range(4, 11)]
        assert min(after - before for before, after in pairwise(times)) > 0.6 * interval_s


def test_a_full_snapshot_comes_every_so_often() -> None:
    """An error a client did not notice lives for so many deltas at most."""
    follower = Follower(1)
    for seq in range(1, FULL_EVERY + 2):
        follower.offer("BTCUSDT", seq=seq)
        follower.clock.advance(1)
    assert follower.deltas.count(False) == 2
    assert not follower.deltas[0]


def test_a_closed_bucket_is_silent() -> None:
    """What waited is not sent to nobody."""
    follower = Follower(5)
    follower.offer("BTCUSDT", seq=1)
    follower.offer("BTCUSDT", seq=2)
    follower.bucket.close()
    follower.clock.advance(60)
    assert len(follower.emitted) == 1


def test_skipped_counts_within_an_epoch() -> None:
    """seq restarts at 1 with each epoch; the first snapshot of a subscription skipped nothing."""
    assert skipped_since(None, (1, 9)) == 0
    assert skipped_since((1, 4), (1, 9)) == 4
    assert skipped_since((1, 4), (1, 9), dropped=1) == 3
    assert skipped_since((1, 4), (2, 3)) == 2
