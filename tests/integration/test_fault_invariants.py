"""What the fault runs hold clients to finds a server that went back, and only that."""

from __future__ import annotations

import random

import pytest

from tests.faults.checking_client import Received, Watcher
from tests.faults.invariants import order
from tests.faults.oracle import Key
from tests.faults.stack import COLLECTING, FRONT

AHEAD, BEHIND = Key("BTCUSDT", 20, 2), Key("BTCUSDT", 10, 9)


def _watcher(node: str, *keys: Key) -> Watcher:
    watcher = Watcher(node, "http://localhost", "BTCUSDT", "delta", random.Random(1))
    watcher.received = [Received(key, None, 0, False, 0.0) for key in keys]
    return watcher


def test_a_server_that_goes_back_is_found() -> None:
    wrong = order([_watcher(COLLECTING[0], BEHIND, AHEAD, BEHIND)])
    assert len(wrong) == 1
    assert "went back" in wrong[0]


def test_a_client_of_the_front_may_reach_a_server_that_stands_elsewhere() -> None:
    assert order([_watcher(FRONT, AHEAD, BEHIND)]) == []


@pytest.mark.parametrize("node", [*COLLECTING, FRONT])
def test_what_a_client_found_by_itself_counts_everywhere(node: str) -> None:
    watcher = _watcher(node)
    watcher.violations.append("a delta without its snapshot")
    assert order([watcher]) == ["a delta without its snapshot"]
