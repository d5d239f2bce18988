"""Faults of the simulated exchange, switched on by command, so that what must survive them can be tested.

Everything real exchanges have done: dropped sockets, silence, garbage, repetition, disorder, refusals, a
clock that is off, open interest that stands still, a cascade reported all at once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from typing import Any

GARBAGE: tuple[str, ...] = (
    "",
    "not json",
    "{",
    "[" * 20_000,
    "null",
    "[]",
    '"text"',
    '{"e":"kline","E":1,"s":"BTCUSDT","k":{}}',
    '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":"soon","k":null}}',
    '{"e":"markPriceUpdate","E":1795446983000,"s":"BTCUSDT","p":"NaN","T":1795446983000,"r":"0"}',
    '{"e":"markPriceUpdate","E":1795446983000,"s":"BTCUSDT","p":"-5","T":1795446983000,"r":"0"}',
    '{"e":"forceOrder","E":1795446983000,"o":{"s":"BTCUSDT","S":"UP","ap":"1","z":"1","T":1795446983000}}',
    '{"e":"somethingNew","E":1795446983000}',
    '{"topic":"kline.5.BTCUSDT","data":7,"ts":"x","type":"snapshot"}',
    '{"topic":"tickers.BTCUSDT","type":"delta","ts":1795446983000,"data":{"openInterest":"1e999"}}',
)
"""Texts no exchange should send."""


@dataclass(slots=True)
class Faults:
    """What is wrong now. Set fields at any time; `Faults()` is an exchange that behaves.

    `silent`: sockets stay open and say nothing. `refuse_connects`: no new socket is let in.
    `garbage_per_round`, `oversized_frame`: nonsense between the messages. `duplicate`, `reorder`: every
    message twice; each round's in random order. `rest_status`: every REST answer has this status, with
    `retry_after_s`. `rest_hangs`: REST does not answer at all. `skew_ms`: the clock it reports is off.
    `freeze_open_interest`: one value for ever. `hold_liquidations`: kept back, sent at once when set false.
    Hyperliquid's: `null_states` instead of accounts', `hole_in_trades` that name accounts, while it lasts;
    `leaderboard_gone`; `leaderboard_cut_off` in the middle of its body.
    """

    silent: bool = False
    refuse_connects: bool = False
    garbage_per_round: int = 0
    oversized_frame: bool = False
    duplicate: bool = False
    reorder: bool = False
    rest_status: int = 0
    retry_after_s: int = 0
    rest_hangs: bool = False
    skew_ms: int = 0
    freeze_open_interest: bool = False
    hold_liquidations: bool = False
    null_states: bool = False
    hole_in_trades: bool = False
    leaderboard_gone: bool = False
    leaderboard_cut_off: bool = False
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def set(self, wanted: dict[str, Any]) -> None:
        """Change fields by name. Raises ValueError that lists them, or names the type that is needed."""
        kinds = {each.name: type(getattr(self, each.name)) for each in fields(self) if each.name != "random"}
        for name, value in wanted.items():
            if name not in kinds:
                raise ValueError(f"unknown misbehaviour {name!r}; one of {', '.join(kinds)}")
            if type(value) is not kinds[name]:
                raise ValueError(f"{name} must be of type {kinds[name].__name__}")
        for name, value in wanted.items():
            setattr(self, name, value)

    def apply_to(self, messages: list[str]) -> list[str]:
        """A round's messages as they are sent to one subscriber."""
        out = [message for message in messages for _ in range(2 if self.duplicate else 1)]
        if self.reorder:
            self.random.shuffle(out)
        out += [self.random.choice(GARBAGE) for _ in range(self.garbage_per_round)]
        if self.oversized_frame:
            self.oversized_frame = False
            out.append('{"e":"' + "x" * (10 * 2**20) + '"}')
        return out
