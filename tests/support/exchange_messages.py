"""Recorded messages of the exchanges, read by their Venue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from liqstream.feeds.parsing import Parsed
from liqstream.feeds.venue import Venue
from liqstream.market import MarketEvent


def read(shared_data: Path, venue: Venue, name: str) -> Parsed:
    """A recorded message of the venue, as its records."""
    return venue.read((shared_data / "exchange_messages" / venue.name / name).read_bytes())


def kinds(events: Sequence[MarketEvent]) -> Counter[str]:
    """How many records there are of each type."""
    return Counter(type(event).__name__ for event in events)
