"""The clients of the bench of many markets see what is passed over, late or missing."""

from __future__ import annotations

import time
from collections.abc import Sequence

import orjson
import pytest

from bench.live_clients import Receipt
from bench.market_clients import PRICES_EVERY_S, MapClient, TableClient, judged, payload_of
from liqstream.wire.frames import message_frame, pong_frame

BEGAN_S, ENDED_S = 100.0, 110.0


def map_client(steps: Sequence[tuple[float, int]]) -> MapClient:
    """One with a snapshot at each of the times (s) with each of the seqs."""
    client = MapClient("A,B", "")
    client.by_symbol = {"A": [Receipt(at_s, seq, 1.0) for at_s, seq in steps]}
    return client


def table_client(steps: Sequence[tuple[float, int]], *, data_age_s: float = 0.1) -> TableClient:
    """The same of tables, each with data of so long ago."""
    ahead_s = time.time() - time.monotonic()
    client = TableClient("", "")
    client.receipts = [Receipt(ahead_s + at_s, seq, 0.0) for at_s, seq in steps]
    client.data_s = [each.at_s - data_age_s for each in client.receipts]
    return client


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(101.0, 1), (102.0, 2), (103.0, 3)], (3, 0, 0)),
        ([(101.0, 1), (102.0, 4), (103.0, 5)], (3, 2, 0)),
        ([(101.0, 1), (102.6, 2)], (2, 0, 1)),
        ([(99.0, 1), (101.0, 9), (111.0, 20)], (1, 0, 0)),
    ],
    ids=["all", "passed over", "late", "outside of the span"],
)
def test_snapshots_that_did_not_come_are_seen(
    steps: list[tuple[float, int]], expected: tuple[int, int, int]
) -> None:
    """Of every market for itself, within the span."""
    found = judged([map_client(steps)], [], BEGAN_S, ENDED_S)
    assert (found["snapshots"], found["passed_over"], found["late"]) == expected


def test_tables_that_are_missed_or_old_are_seen() -> None:
    """A new price is unseen from a second after the data of the table before it until the next one."""
    good = judged([], [table_client([(101.0, 1), (103.0, 2)])], BEGAN_S, ENDED_S)
    assert (good["tables"], good["tables_missed"]) == (1, 0)
    assert good["unseen_price_s"] == pytest.approx(2.1 - PRICES_EVERY_S, abs=0.05)
    missed = judged([], [table_client([(101.0, 1), (103.0, 3)])], BEGAN_S, ENDED_S)
    assert missed["tables_missed"] == 1
    old = judged([], [table_client([(101.0, 1), (103.0, 2)], data_age_s=5.0)], BEGAN_S, ENDED_S)
    assert old["unseen_price_s"] == pytest.approx(7.0 - PRICES_EVERY_S, abs=0.05)


def test_a_client_that_is_lost_is_counted() -> None:
    """Whatever it followed."""
    client = map_client([])
    client.lost = True
    assert judged([client], [table_client([])], BEGAN_S, ENDED_S)["lost"] == 1


@pytest.mark.parametrize("chars", [1, 200, 70_000])
def test_a_frame_of_any_length_is_read(chars: int) -> None:
    """What is no text has no type that anything is done with."""
    message = {"type": "markets", "x": "y" * chars}
    assert payload_of(message_frame(orjson.dumps(message), 0)) == message
    assert payload_of(pong_frame(b"")) == {"type": ""}
