"""The path that delays and loses packets: by the clock, by the seed, in order. On pairs of sockets."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from bench.packet_path import AT_ONCE, Counts, Direction, both_ways, carry

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[tuple[Pair, Pair]]:
    """Two devices, each seen from the network's side and from the path's; one read is one packet."""
    made = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    for pair in made:
        for end in pair:
            end.setblocking(False)
    yield made[0], made[1]
    for pair in made:
        for end in pair:
            end.close()


class Clock:
    """Seconds that pass when told."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def received(end: socket.socket) -> list[bytes]:
    """Every packet that is there."""
    found = []
    while True:
        try:
            found.append(end.recv(4096))
        except BlockingIOError:
            return found


def test_a_packet_comes_when_its_delay_is_over(pairs: tuple[Pair, Pair]) -> None:
    """Not before; and `give` says how long that is."""
    (network, source), (sink, far) = pairs
    clock, counts = Clock(), Counts()
    way = Direction(
        source.fileno(), sink.fileno(), delay_s=0.02, loss=0.0, seed=1, counts=counts, clock_s=clock
    )
    network.send(b"first")
    way.take()
    clock.now_s += 0.015
    network.send(b"second")
    way.take()
    assert way.give() == pytest.approx(0.005)
    assert received(far) == []
    clock.now_s += 0.005
    assert way.give() == pytest.approx(0.015)
    assert received(far) == [b"first"]
    clock.now_s += 0.0255
    assert way.give() is None
    assert received(far) == [b"second"]
    assert (counts.carried, counts.late_ms_of(0.5), counts.late_ms_of(1.0)) == (2, 0, 10)


def lost_of(seed: int, pairs: tuple[Pair, Pair]) -> list[int]:
    """Which of many packets a way with this seed loses; what comes is in the order it was sent."""
    (network, source), (sink, far) = pairs
    counts = Counts()
    way = Direction(source.fileno(), sink.fileno(), delay_s=0.0, loss=0.1, seed=seed, counts=counts)
    came: list[int] = []
    for start in range(0, 2000, 50):
        for number in range(start, start + 50):
            network.send(number.to_bytes(2, "big"))
        way.take()
        way.give()
        came += [int.from_bytes(packet, "big") for packet in received(far)]
    assert came == sorted(came)
    assert counts.carried == len(came)
    assert counts.lost == 2000 - len(came)
    return sorted(set(range(2000)) - set(came))


def test_the_seed_decides_which_are_lost(pairs: tuple[Pair, Pair]) -> None:
    """As many as asked for, the same each time, others with another seed."""
    lost = lost_of(7, pairs)
    assert 140 < len(lost) < 260
    assert lost_of(7, pairs) == lost
    assert lost_of(8, pairs) != lost


def test_one_side_does_not_keep_the_other_waiting(pairs: tuple[Pair, Pair]) -> None:
    """A side that never falls silent is left after a while."""
    (network, source), (sink, _) = pairs
    counts = Counts()
    way = Direction(source.fileno(), sink.fileno(), delay_s=1.0, loss=1.0, seed=1, counts=counts)
    network.setblocking(True)
    sender = threading.Thread(target=lambda: [network.send(b"x") for _ in range(2 * AT_ONCE)])
    sender.start()
    while counts.lost < 2 * AT_ONCE:
        before = counts.lost
        way.take()
        assert counts.lost - before <= AT_ONCE
    sender.join()


def test_what_the_far_side_does_not_take_is_counted(pairs: tuple[Pair, Pair]) -> None:
    """And does not stop what comes after it."""
    (network, source), (sink, far) = pairs
    counts = Counts()
    way = Direction(source.fileno(), sink.fileno(), delay_s=0.0, loss=0.0, seed=1, counts=counts)
    while not counts.refused:
        network.send(bytes(1024))
        way.take()
        way.give()
    full = counts.carried
    assert len(received(far)) == full
    network.send(b"after")
    way.take()
    way.give()
    assert received(far) == [b"after"]


def test_both_ways_at_once(pairs: tuple[Pair, Pair]) -> None:
    """As it runs between two devices, until it is told to end."""
    (here, one), (other, there) = pairs
    counts, ended = Counts(), threading.Event()
    path = both_ways(one.fileno(), other.fileno(), delay_s=0.005, loss=0.0, seed=1, counts=counts)
    assert not os.get_blocking(one.fileno())
    carrying = threading.Thread(target=carry, args=(path, ended.is_set))
    carrying.start()
    for end in (here, there):
        end.settimeout(10)
    here.send(b"there?")
    assert there.recv(100) == b"there?"
    there.send(b"here")
    assert here.recv(100) == b"here"
    ended.set()
    carrying.join()
    assert counts.carried == 2
