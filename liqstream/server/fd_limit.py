"""File descriptors: each socket is one, and running out of them would refuse clients at random."""

from __future__ import annotations

import resource

import structlog

log = structlog.get_logger(__name__)

RESERVE = 128
"""For the database, feeds, Redis, logs, static files and refusals; the rest is for clients."""


def make_room_for(connections: int) -> int:
    """Raise this process's limit so that `connections` fit, as far as it may; returns how many do fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    wanted = connections + RESERVE
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    fitting = max(1, soft - RESERVE)
    if fitting < connections:
        log.warning("few_file_descriptors", limit=soft, connections=connections, fitting=fitting)
    return min(connections, fitting)
