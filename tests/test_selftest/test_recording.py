"""What one connection received, with the time of every message."""

from __future__ import annotations

import json
from typing import Any

from liqstream.client.levels import Levels
from liqstream.selftest.recording import Recording, record, subscribe
from liqstream.selftest.run import target_of
from tests.support.lying_server import SNAPSHOT, lying_server

CHECKSUM = Levels.of(1, 1, [0], [0]).checksum


def recording(*messages: dict[str, Any]) -> Recording:
    """Messages that came a second apart after the subscription at 10 s."""
    frames = [(11.0 + second, json.dumps(message)) for second, message in enumerate(messages)]
    return Recording(("BTCUSDT",), 10.0, frames)


def test_states_are_found_among_other_messages() -> None:
    """In order, of one symbol; what is not understood is passed over."""
    heartbeat, other = {"type": "heartbeat"}, SNAPSHOT | {"symbol": "ETHUSDT", "seq": 9}
    made = recording(heartbeat, {"type": "later"}, other, SNAPSHOT | {"seq": 1}, SNAPSHOT | {"seq": 2})
    assert [state.seq for state in made.states("BTCUSDT")] == [1, 2]
    assert made.first_after_s("BTCUSDT") == 4.0
    assert made.first_after_s("SOLUSDT") is None


def test_states_are_rebuilt_only_where_their_checksum_agrees() -> None:
    """By (epoch, seq)."""
    made = recording(SNAPSHOT | {"seq": 1, "checksum": CHECKSUM}, SNAPSHOT | {"seq": 2})
    assert list(made.rebuilt("BTCUSDT")) == [(1000, 1)]


def test_dropped_snapshots_are_those_of_the_warnings() -> None:
    """Added up over all of them."""
    warning = {"type": "warning", "code": "SLOW_CONSUMER", "dropped_messages": 2}
    assert recording(warning, SNAPSHOT | {"seq": 1}, warning | {"dropped_messages": 3}).dropped() == 5


async def test_it_ends_when_the_server_hangs_up() -> None:
    """Long before its time."""
    async with lying_server([1, 2]) as url, target_of(url, None) as target:
        made = await record(
            target.session, target.addresses.stream, ("BTCUSDT",), delta=True, interval_s=1, seconds=30
        )
    assert [state.seq for state in made.states("BTCUSDT")] == [1, 2]
    assert subscribe(("BTCUSDT",))["proto"] == 2
