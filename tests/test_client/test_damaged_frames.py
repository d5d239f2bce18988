"""Damaged messages of a server: each gives a state, a resync or is counted, and nothing impossible is shown.

tests/js/damaged-frames.test.js does the same to the browser's client. DAMAGED_FRAMES sets how many; the
seed is printed.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import numpy as np

from liqstream.client.errors import OldServerError
from liqstream.client.messages import (
    DeltaMessage,
    HeartbeatMessage,
    NotUnderstoodError,
    PongMessage,
    SnapshotMessage,
    SubscribedMessage,
    WarningMessage,
    decode,
)
from liqstream.client.symbol_stream import SymbolStream
from tests.test_client.test_behaviours import BEHAVIOURS

FRAMES = int(os.environ.get("DAMAGED_FRAMES", "2000"))
SEED = int(os.environ.get("DAMAGED_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
SENT = [
    step["say"]
    for behaviour in BEHAVIOURS
    for steps in behaviour["connections"]
    for step in steps
    if "say" in step and "levels" not in step["say"].get("data", {})
]
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 2**64, 1e308, -0.0, 1e-320, "", "x", "NaN", [], {}, [None], [[]]),
    *("9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", {"i": [0], "v": [-1]}, [-1], [1e300] * 4),
)


def damaged(rng: random.Random, message: dict[str, Any]) -> str:
    """A message with one thing wrong: a value, a key, some characters, or its end."""
    message = json.loads(json.dumps(message))
    kind = rng.randrange(5)
    if kind <= 1:
        place = message
        while True:
            key = rng.choice(list(place))
            if isinstance(place[key], dict) and place[key] and rng.random() < 0.7:
                place = place[key]
                continue
            break
        if kind == 0:
            place[key] = rng.choice(ODD)
        else:
            del place[key]
        return json.dumps(message)
    text = json.dumps(message)
    at = rng.randrange(len(text))
    if kind == 2:
        return text[:at]
    if kind == 3:
        return text[:at] + rng.choice('0123456789-+.eE"{}[],:\\x \u2028') + text[at + 1 :]
    end = at + rng.randrange(20)
    return text[:at] + text[end:] if rng.random() < 0.5 else text[:end] + text[at:]


def take(stream: SymbolStream, text: str) -> None:
    """What the client does with one frame; raises what would leave it."""
    try:
        message = decode(text)
    except (NotUnderstoodError, OldServerError):
        return
    match message:
        case SnapshotMessage() | DeltaMessage():
            stream.take(message)
        case HeartbeatMessage():
            for at in message.symbols.values():
                stream.take_heartbeat(at)
        case PongMessage() | SubscribedMessage():
            for at in message.positions.values():
                stream.take_pong(at)
        case WarningMessage():
            for count in message.dropped_by_symbol.values():
                stream.take_dropped(count)
    stream.must_ask_for_whole()


def assert_possible(stream: SymbolStream) -> None:
    """Nothing of what is shown or counted is a figure that cannot be."""
    snapshot = stream.snapshot
    if snapshot is not None:
        assert np.isfinite(snapshot.current_price)
        assert snapshot.current_price > 0
        for usd in (snapshot.long_usd, snapshot.short_usd):
            assert np.isfinite(usd).all()
            assert (usd >= 0).all()
        assert np.isfinite(snapshot.prices).all()
        assert min(snapshot.epoch, snapshot.seq) >= 1
    account = stream.account
    assert min(account.missed, account.skipped, account.dropped, account.away) >= 0


def test_no_damaged_message_escapes_or_is_shown() -> None:
    """Between whole messages, as on a real connection."""
    rng, stream = random.Random(SEED), SymbolStream("BTCUSDT")
    print(f"DAMAGED_SEED={SEED}")  # noqa: T201
    for _ in range(FRAMES):
        if rng.random() < 0.3:
            take(stream, json.dumps(rng.choice(SENT)))
        if rng.random() < 0.02:
            stream.connection_lost()
        take(stream, damaged(rng, rng.choice(SENT)))
        assert_possible(stream)
