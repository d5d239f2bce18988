"""A slow and lossy path for IP packets between two descriptors: what netem does, where the kernel has none.

Run as `python -m bench.packet_path ONE OTHER DELAY_MS LOSS SEED` with two open TUN devices until SIGTERM;
prints what it did as one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

LARGEST_PACKET = 65_536
AT_ONCE = 256
"""Packets taken from one side before those that are due go on."""
MOST_WAITING = 100_000
"""Of one direction; beyond that packets are lost, as by a router whose memory is full."""


@dataclass(slots=True)
class Counts:
    """What became of the packets of both directions; `late_ms` counts them by whole ms after their time."""

    carried: int = 0
    lost: int = 0
    overflowed: int = 0
    refused: int = 0
    late_ms: list[int] = field(default_factory=lambda: [0] * 1000)

    def late_ms_of(self, share: float) -> int:
        """So many ms late were that share of the packets at most."""
        wanted, seen = share * self.carried, 0
        for late_ms, count in enumerate(self.late_ms):
            seen += count
            if seen >= wanted:
                return late_ms
        return len(self.late_ms)


class Direction:
    """From one descriptor to the other: each packet `delay_s` later, in order, some of them never.

    The descriptors do not block, and a read returns one packet. Which packets are lost follows from the seed.
    """

    def __init__(
        self,
        source: int,
        sink: int,
        *,
        delay_s: float,
        loss: float,
        seed: int,
        counts: Counts,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._sink = sink
        self._delay_s = delay_s
        self._loss = loss
        self._random = random.Random(seed)
        self._counts = counts
        self._clock_s = clock_s
        self._waiting: deque[tuple[float, bytes]] = deque()

    def take(self) -> None:
        """Read what is there and decide on each packet."""
        for _ in range(AT_ONCE):
            try:
                packet = os.read(self.source, LARGEST_PACKET)
            except BlockingIOError:
                return
            if self._random.random() < self._loss:
                self._counts.lost += 1
            elif len(self._waiting) >= MOST_WAITING:
                self._counts.overflowed += 1
            else:
                self._waiting.append((self._clock_s() + self._delay_s, packet))

    def give(self) -> float | None:
        """Write what is due; returns the seconds until the next packet is, None if none waits."""
        now_s = self._clock_s()
        while self._waiting:
            due_s, packet = self._waiting[0]
            if due_s > now_s:
                return due_s - now_s
            self._waiting.popleft()
            try:
                os.write(self._sink, packet)
            except OSError:
                self._counts.refused += 1
                continue
            self._counts.carried += 1
            late_ms = min(int(1000 * (now_s - due_s)), len(self._counts.late_ms) - 1)
            self._counts.late_ms[late_ms] += 1
        return None


def carry(directions: list[Direction], ended: Callable[[], bool]) -> None:
    """Until `ended`, which is asked at least every tenth of a second."""
    poll = select.epoll()
    by_source = {direction.source: direction for direction in directions}
    for source in by_source:
        poll.register(source, select.EPOLLIN)
    wait_s = 0.1
    while not ended():
        for source, _ in poll.poll(wait_s):
            by_source[source].take()
        nexts = [next_s for direction in directions if (next_s := direction.give()) is not None]
        wait_s = min([0.1, *nexts])
    poll.close()


def both_ways(
    one: int, other: int, *, delay_s: float, loss: float, seed: int, counts: Counts
) -> list[Direction]:
    """A path between two descriptors, each direction with losses of its own."""
    for fd in (one, other):
        os.set_blocking(fd, False)
    return [
        Direction(source, sink, delay_s=delay_s, loss=loss, seed=seed + number, counts=counts)
        for number, (source, sink) in enumerate(((one, other), (other, one)))
    ]


def main() -> None:
    """Carry until told to end."""
    one, other, delay_ms, loss, seed = sys.argv[1:6]
    counts, told = Counts(), []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    path = both_ways(
        int(one), int(other), delay_s=float(delay_ms) / 1000, loss=float(loss), seed=int(seed), counts=counts
    )
    carry(path, lambda: bool(told))
    print(
        json.dumps(
            {
                "carried": counts.carried,
                "lost": counts.lost,
                "overflowed": counts.overflowed,
                "refused": counts.refused,
                "late_ms_p99": counts.late_ms_of(0.99),
            }
        )
    )


if __name__ == "__main__":
    main()
