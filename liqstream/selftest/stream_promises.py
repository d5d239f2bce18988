"""Promises about what a client of the stream receives."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from liqstream.client.messages import DeltaMessage
from liqstream.selftest.promise import Finding, Promise
from liqstream.selftest.recording import subscribe
from liqstream.selftest.target import Target

FIRST_WITHIN_S = 1.0

_DEEP = '{"action":"ping","a":' + "[" * 1900 + "]" * 1900 + "}"
BAD_INPUT: tuple[tuple[str, str, str], ...] = (
    ("no JSON", "hello", "INVALID_MESSAGE"),
    ("deep nesting", _DEEP, "INVALID_MESSAGE"),
    ("NaN", '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":NaN}', "INVALID_MESSAGE"),
    ("1e999", '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":1e999}', "INVALID_MESSAGE"),
    (
        "a bool for a number",
        '{"action":"subscribe","symbols":["BTCUSDT"],"update_interval":true}',
        "INVALID_MESSAGE",
    ),
    ("text for a list", '{"action":"subscribe","symbols":"BTCUSDT"}', "INVALID_MESSAGE"),
    ("an empty list", '{"action":"subscribe","symbols":[]}', "INVALID_MESSAGE"),
    ("eleven symbols", json.dumps({"action": "subscribe", "symbols": ["A1"] * 11}), "INVALID_MESSAGE"),
    ("no action", '{"symbols":["BTCUSDT"]}', "INVALID_ACTION"),
    ("an unknown action", '{"action":"fly"}', "INVALID_ACTION"),
    ("an unknown symbol", '{"action":"subscribe","symbols":["NOSUCH1"]}', "INVALID_SYMBOL"),
)
"""What is sent, and the error code that answers it; the connection must stay open."""


async def first_in_time(target: Target) -> Finding:
    """How long each symbol's first snapshot took."""
    waits = [
        recording.first_after_s(symbol)
        for recording in await target.recordings()
        for symbol in target.symbols
    ]
    missing = waits.count(None)
    slowest = max((wait for wait in waits if wait is not None), default=0.0)
    return Finding(
        f"the slowest of {len(waits)} came after {slowest * 1000:.0f} ms"
        + (f", {missing} never came" if missing else ""),
        not missing and slowest <= FIRST_WITHIN_S,
    )


async def only_forward(target: Target) -> Finding:
    """Whether (epoch, seq) of each connection and symbol only grew."""
    count, wrong = 0, 0
    for recording in await target.recordings():
        for symbol in target.symbols:
            at = [(state.epoch, state.seq) for state in recording.states(symbol) if not state.repeat]
            count += len(at)
            wrong += sum(later <= earlier for earlier, later in pairwise(at))
    return Finding(f"{count} snapshots, {wrong} out of order or twice", count > 0 and not wrong)


async def skips_accounted(target: Target) -> Finding:
    """Whether seq, skipped and dropped_messages add up on each connection."""
    gaps, explained = 0, 0
    for recording in await target.recordings():
        for symbol in target.symbols:
            states = [state for state in recording.states(symbol) if not state.repeat]
            if states and states[0].epoch == states[-1].epoch:
                gaps += states[-1].seq - states[0].seq - (len(states) - 1)
                explained += sum(state.skipped for state in states[1:])
        explained += recording.dropped()
    return Finding(f"{gaps} not received, {explained} accounted for", gaps == explained)


async def deltas_equal_wholes(target: Target) -> Finding:
    """Whether the state built of deltas is the whole state, snapshot by snapshot."""
    deltas, wholes = await target.recordings()
    compared, wrong = 0, 0
    for symbol in target.symbols:
        built, whole = deltas.rebuilt(symbol), wholes.rebuilt(symbol)
        for at in built.keys() & whole.keys():
            compared += 1
            same = built[at].grid.checksum == whole[at].grid.checksum
            wrong += not (same and built[at].current_price == whole[at].current_price)
    states = [state for symbol in target.symbols for state in deltas.states(symbol)]
    count = sum(isinstance(state, DeltaMessage) for state in states)
    return Finding(f"{compared} states compared, {count} deltas, {wrong} differ", compared > 0 and not wrong)


async def bad_input_answered(target: Target) -> Finding:
    """Whether every bad message gets its error code and the connection goes on."""
    failures: list[str] = []
    async with target.session.ws_connect(target.addresses.stream) as socket:
        for name, text, code in BAD_INPUT:
            await socket.send_str(text)
            answer = await _next_of(socket, {"error"})
            if answer is None:
                return Finding(f"the connection ended after {name}", kept=False)
            if answer["code"] != code or not answer["message"]:
                failures.append(f"{name}: {answer['code']} instead of {code}")
        await socket.send_json(subscribe(target.symbols[:1]))
        alive = await _next_of(socket, {"snapshot"}) is not None
    summary = "; ".join(failures) or f"{len(BAD_INPUT)} bad messages answered"
    return Finding(f"{summary}; the connection {'goes on' if alive else 'is dead'}", alive and not failures)


async def _next_of(socket: Any, kinds: set[str]) -> Any:
    """The next message of some kinds, None if the connection ends or nothing comes for 5 s."""
    try:
        while True:
            frame = await socket.receive(timeout=5)
            if not isinstance(frame.data, str):
                return None
            message = json.loads(frame.data)
            if message["type"] in kinds:
                return message
    except TimeoutError:
        return None


FIRST = Promise("the first snapshot comes at once", "within 1 s of subscribing", first_in_time)
FORWARD = Promise("never backwards, never twice", "(epoch, seq) only grows on a connection", only_forward)
SKIPS = Promise(
    "every skip is accounted for", "last - first = received - 1 + skipped + dropped", skips_accounted
)
DELTAS = Promise("a delta client holds the full state", "equal checksums at equal seq", deltas_equal_wholes)
BAD = Promise(
    "bad input is answered", "the right error code, and the connection stays open", bad_input_answered
)
