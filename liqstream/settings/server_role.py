"""The role of a server in its fleet, as a setting."""

from __future__ import annotations

from enum import StrEnum


class ServerRole(StrEnum):
    """What a server of a fleet does (LIQSTREAM_ROLE); alone, a server does all of it."""

    ALL = "all"
    """It collects data, serves clients, and leads when it is its turn."""
    PRODUCER = "producer"
    """The same without sockets."""
    FANOUT = "fanout"
    """It serves what the fleet generates; it has no store and no feeds."""
