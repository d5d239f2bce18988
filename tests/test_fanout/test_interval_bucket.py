"""A bucket sends at once after a quiet interval, else at its next update, newest only."""

from __future__ import annotations

from itertools import pairwise

from liqstream.fanout.interval_bucket import FULL_EVERY, IntervalBucket, SymbolUpdates, skipped_since
from liqstream.heatmap.snapshot import StreamPosition
from liqstream.wire.encoding import EncodedSnapshot
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot


class Follower:
    """Collects what a bucket of BTCUSDT and ETHUSDT emits."""

    def __init__(self, interval_s: int) -> None:
        self.clock = HandClock()
        self.emitted: list[tuple[float, dict[str, int]]] = []
        self.deltas: list[bool] = []
        self.bucket = IntervalBucket(interval_s, self.clock, emit=self._take)
        self.bucket.followers.update(("BTCUSDT", "ETHUSDT"))

    def _take(self, bucket: IntervalBucket, updates: SymbolUpdates) -> None:
        del bucket
        at = round(self.clock.now - 1000, 3)
        self.emitted.append((at, {symbol: update.encoded.position.seq for symbol, update in updates.items()}))
        self.deltas += [update.base is not None for update in updates.values()]

    def offer(self, *names: str, seq: int) -> None:
        self.bucket.offer([EncodedSnapshot(first_snapshot(name, seq=seq)) for name in names])


def test_a_change_after_a_quiet_time_goes_at_once() -> None:
    """Nobody waits for a timer when nothing was sent for an interval."""
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


def test_a_round_of_several_symbols_stays_one() -> None:
    """Symbols that change together are sent together, also when they had to wait."""
    follower = Follower(2)
    for seq in (1, 2, 3, 4):
        follower.offer("BTCUSDT", "ETHUSDT", seq=seq)
        follower.clock.advance(1)
    assert [set(updates) for _, updates in follower.emitted] == [{"BTCUSDT", "ETHUSDT"}] * len(
        follower.emitted
    )
    # The second update's snapshot was a second old, so the third does not wait as long.
    assert [at for at, _ in follower.emitted] == [0, 2, 3.5]


def test_a_generator_with_jitter_is_not_made_late() -> None:
    """Snapshots a little early or late are sent when they come, at the interval's pace over time."""
    follower = Follower(1)
    for seq, wait_s in enumerate((1.1, 0.9, 1.15, 0.85, 1.0), start=1):
        follower.offer("BTCUSDT", seq=seq)
        follower.clock.advance(wait_s)
    assert [seq["BTCUSDT"] for _, seq in follower.emitted] == [1, 2, 3, 4, 5]
    assert [at for at, _ in follower.emitted] == [0, 1.1, 2.0, 3.15, 4.0]


def test_no_snapshot_waits_for_ever() -> None:
    """A generator's rounds, at other moments than the first snapshot came, are met after a few updates."""
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
    assert skipped_since(None, StreamPosition(1, 9)) == 0
    assert skipped_since(StreamPosition(1, 4), StreamPosition(1, 9)) == 4
    assert skipped_since(StreamPosition(1, 4), StreamPosition(1, 9), dropped=1) == 3
    assert skipped_since(StreamPosition(1, 4), StreamPosition(2, 3)) == 2


def test_a_timer_that_fails_is_set_again() -> None:
    """The interval goes on: what comes next is sent at the next update."""
    follower = Follower(5)
    follower.clock.is_strict = False
    follower.offer("BTCUSDT", seq=1)
    follower.offer("BTCUSDT", seq=2)
    take = follower.bucket._emit

    def fail(_bucket: IntervalBucket, _updates: SymbolUpdates) -> None:
        raise ValueError("broken")

    follower.bucket._emit = fail
    follower.clock.advance(20)
    assert len(follower.clock.reported) >= 3
    assert {name for name, _ in follower.clock.reported} == {"bucket"}
    follower.bucket._emit = take
    follower.clock.advance(20)
    assert follower.emitted[-1][1] == {}
    follower.offer("BTCUSDT", seq=3)
    assert follower.emitted[-1][1] == {"BTCUSDT": 3}


def test_once_in_phase_a_round_is_on_the_wire_within_300_ms() -> None:
    """However the bucket began, and though the generator's rounds are a little early or late."""
    follower, waits = Follower(1), []
    follower.offer("BTCUSDT", seq=1)
    follower.clock.advance(0.6)  # the first was made for who subscribed, in nobody's phase
    for seq in range(2, 40):
        late_s = (0.0, 0.12, 0.05, 0.2)[seq % 4]
        follower.clock.advance(late_s)
        offered = follower.clock.now - 1000
        follower.offer("BTCUSDT", seq=seq)
        follower.clock.advance(1.0 - late_s)
        waits.append(next(at for at, sent in follower.emitted if sent["BTCUSDT"] >= seq) - offered)
    assert max(waits[8:]) <= 0.3


def test_what_nobody_follows_any_more_is_forgotten() -> None:
    """Whoever follows it again is not taken for one that holds what was sent long ago."""
    follower = Follower(5)
    follower.offer("BTCUSDT", "ETHUSDT", seq=1)
    follower.offer("BTCUSDT", seq=2)
    follower.bucket.followers.subtract(("BTCUSDT",))
    follower.bucket.prune()
    assert follower.bucket.last_sent.keys() == {"ETHUSDT"}
    follower.clock.advance(60)
    assert follower.emitted == [(0, {"BTCUSDT": 1, "ETHUSDT": 1})]
