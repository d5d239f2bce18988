"""What a server is in its fleet, and where the snapshots come from that its clients get."""

from __future__ import annotations

from enum import StrEnum


class NodeRole(StrEnum):
    """A server's role as /ready names it."""

    STANDALONE = "standalone"
    LEADER = "leader"
    FOLLOWER = "follower"
    FANOUT = "fanout"


class StreamMode(StrEnum):
    """Where a fleet's server takes its clients' snapshots from, as /ready and the log name it."""

    LEADER = "leader"
    """It holds the lease: it generates each batch, publishes it, then sends it."""
    FOLLOWER = "follower"
    """It sends what the leader published."""
    FALLBACK = "fallback"
    """Redis is away: it generates for its own clients."""
    CUT_OFF = "cut_off"
    """Redis or every leader is away and it has no maps of its own: the last snapshots, marked stale."""
