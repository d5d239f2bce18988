"""What must hold whatever happens, checked on what clients got and servers said they made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.checking_client import INTERVAL_S, Received, Watcher
from tests.faults.oracle import Oracle
from tests.faults.stack import FRONT, Stack

CONVERGE_S = INTERVAL_S + 2.0
"""Within this after a fault has cleared (and a lease, if the leader changed) every client is up to date."""
ISOLATION_FLOOR_S = 0.25
"""Below this a delay is the machine's, not the fault's."""


def p99_s(received: Iterable[Received], oracle: Oracle) -> float:
    """The 99th percentile of the time from a snapshot's making to its arrival."""
    delays = sorted(
        got.at_s - oracle.produced[got.key].at_s for got in received if got.key in oracle.produced
    )
    return delays[min(len(delays) - 1, int(0.99 * len(delays)))] if delays else 0.0


def integrity(watchers: Iterable[Watcher], oracle: Oracle) -> list[str]:
    """Every snapshot anybody got was made by a server, with these levels, at this time, as stale as said."""
    wrong = []
    for watcher in watchers:
        for got in watcher.received:
            made = oracle.produced.get(got.key)
            if made is None:
                wrong.append(f"{watcher.node}: {got.key} was made by nobody")
            elif got.checksum not in (None, made.checksum):
                wrong.append(f"{watcher.node}: {got.key} has other levels than were made")
            elif (got.timestamp_ms, got.stale) != (made.timestamp_ms, made.stale):
                wrong.append(f"{watcher.node}: {got.key} was re-dated or its stale mark was changed")
    return wrong


def order(watchers: Iterable[Watcher]) -> list[str]:
    """What the clients found wrong by themselves, and servers that went back from one connection to the next.

    Within a connection clients check order, repeats, checksums of deltas and accounts. A server's own
    positions never go back, over its restarts either; from server to server they may, and behind the front
    a client that comes back may reach another server.
    """
    wrong = []
    for watcher in watchers:
        wrong += watcher.violations
        if watcher.node == FRONT:
            continue
        for before, after in pairwise(watcher.received):
            if (after.key.epoch, after.key.seq) < (before.key.epoch, before.key.seq):
                wrong.append(f"{watcher.node} {watcher.kind}: went back from {before.key} to {after.key}")
    return wrong


def isolation(
    watchers: Iterable[Watcher],
    oracle: Oracle,
    *,
    fault_s: tuple[float, float],
    baseline_s: float,
    lag_s: float,
) -> list[str]:
    """Clients of an untouched server hardly notice; what the machine delays everybody by is not counted."""
    began_s, ended_s = fault_s
    got = [r for watcher in watchers for r in watcher.received if began_s <= r.at_s <= ended_s]
    p99, allowed = p99_s(got, oracle), max(2 * baseline_s, ISOLATION_FLOOR_S) + lag_s
    if not got:
        return ["clients of the untouched server got nothing"]
    return [f"p99 of the untouched server is {p99:.3f} s, allowed {allowed:.3f} s"] if p99 > allowed else []


@dataclass(frozen=True, slots=True)
class Resources:
    """What the servers hold."""

    descriptors: dict[str, int]
    rss_bytes: dict[str, int]

    @classmethod
    def of(cls, stack: Stack) -> Resources:
        """Now."""
        running = {name: node for name, node in stack.nodes.items() if node.process is not None}
        return cls(
            {name: node.descriptors() for name, node in running.items()},
            {name: node.rss_bytes() for name, node in running.items()},
        )

    def beyond(self, baseline: Resources, restarted: Iterable[str]) -> list[str]:
        """What is held that was not held before; a restarted server has no before."""
        return [
            f"{name} holds {count} descriptors, {baseline.descriptors[name]} before"
            for name, count in self.descriptors.items()
            if name not in restarted and count > baseline.descriptors[name] + 6
        ] + [
            f"{name} grew by {(size - baseline.rss_bytes[name]) >> 20} MiB"
            for name, size in self.rss_bytes.items()
            if name not in restarted and size > baseline.rss_bytes[name] + 80 * 2**20
        ]
