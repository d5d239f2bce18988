"""Who subscribes to a symbol without a map gets a warning, once, and only in protocol 2."""

from __future__ import annotations

from typing import Any

import pytest

from liqstream.fanout import no_data_notice
from liqstream.fanout.connection_manager import ConnectionManager
from liqstream.fanout.no_data_notice import NO_DATA_AFTER_S
from tests.support.hand_client import HandClient, done
from tests.support.hand_clock import HandClock
from tests.support.snapshots import first_snapshot


class Setup:
    """A manager, its clock and one client."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.manager = ConnectionManager(timers=self.clock, now_ms=lambda: 0)
        self.client = HandClient(self.manager, 0)

    def subscribe(self, *symbols: str, proto: int = 2) -> None:
        done(self.manager.connect(self.client.ws, symbols, interval_s=1, proto=proto))

    def warnings(self) -> list[dict[str, Any]]:
        messages = self.client.frames.messages(bytes(self.client.transport.arrived))
        return [message for message in messages if message["type"] == "warning"]


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_symbols_without_a_map_are_named(setup: Setup) -> None:
    """Two seconds later, and once."""
    done(setup.manager.broadcast(first_snapshot("SOLUSDT")))
    setup.subscribe("BTCUSDT", "ETHUSDT", "SOLUSDT")
    setup.clock.advance(NO_DATA_AFTER_S - 0.1)
    assert setup.warnings() == []
    setup.clock.advance(60.0)
    (warning,) = setup.warnings()
    assert (warning["code"], warning["symbols"]) == ("NO_DATA_YET", ["BTCUSDT", "ETHUSDT"])
    assert warning["message"].startswith("no map of BTCUSDT, ETHUSDT yet")


def test_a_map_that_comes_in_time_is_no_reason(setup: Setup) -> None:
    """Nor is a symbol that was left meanwhile."""
    setup.subscribe("BTCUSDT", "ETHUSDT")
    done(setup.manager.unsubscribe(setup.client.ws, ["ETHUSDT"]))
    done(setup.manager.broadcast(first_snapshot()))
    setup.clock.advance(5.0)
    assert setup.warnings() == []


def test_the_first_protocol_has_no_such_warning(setup: Setup) -> None:
    """Its clients know none of it."""
    setup.subscribe("BTCUSDT", proto=1)
    setup.clock.advance(5.0)
    assert setup.warnings() == []


def test_a_notice_that_fails_is_reported(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends nothing."""

    def fail(_symbols: list[str]) -> bytes:
        raise ValueError("broken")

    monkeypatch.setattr(no_data_notice, "no_data_message", fail)
    setup.clock.is_strict = False
    setup.subscribe("BTCUSDT")
    setup.clock.advance(NO_DATA_AFTER_S)
    assert [name for name, _ in setup.clock.reported] == ["no-data"]
