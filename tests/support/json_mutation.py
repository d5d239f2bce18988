"""Messages bent in the ways broken senders bend them: values, members, types, text."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

STRANGE: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**63,
    -(2**63),
    1e308,
    1e-308,
    -0.0,
    "",
    "0",
    "-0",
    "NaN",
    "Infinity",
    "1e999",
    "-1e200",
    "1e200",
    "1e-300",
    "0x10",
    "1_000",
    " 1 ",
    "\u0661",
    "🚀",
    "null",
    "BTCUSDT",
    "btc-usdt-swap",
    "x" * 300,
    1_790_000_000,
    1_790_000_000_000,
    3_999_999_999_999,
    "1790000000000000000",
    [],
    {},
    [[]],
    [None],
    {"": {}},
)


def bent(text: bytes, chance: random.Random) -> str:
    """The message after one to four changes; now and then it is no JSON any more, or was none before."""
    if chance.random() < 0.15:
        return _bent_bytes(text, chance)
    try:
        value = json.loads(text)
    except ValueError:
        return _bent_bytes(text, chance)
    for _ in range(chance.randint(1, 4)):
        value = _bent_value(value, chance)
    return json.dumps(value)


def _bent_bytes(text: bytes, chance: random.Random) -> str:
    raw = bytearray(text)
    at = chance.randrange(len(raw))
    match chance.randrange(4):
        case 0:
            raw[at] = chance.randrange(256)
        case 1:
            del raw[at:]
        case 2:
            del raw[at : at + chance.randint(1, 20)]
        case _:
            raw[at:at] = raw[max(0, at - 20) : at]
    return raw.decode("utf-8", "replace")


def _bent_value(value: Any, chance: random.Random) -> Any:
    """A copy with one place changed, chosen by walking down at random."""
    value = copy.deepcopy(value)
    parent: Any = None
    key: Any = None
    here = value
    while isinstance(here, dict | list) and here and (parent is None or chance.random() < 0.85):
        parent = here
        key = chance.choice(list(here)) if isinstance(here, dict) else chance.randrange(len(here))
        here = here[key]
    if parent is None:
        return chance.choice(STRANGE)
    match chance.randrange(6):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[key]))
        case 1 if isinstance(parent, dict):
            parent[f"{key}2"] = parent.pop(key)
        case 2 if isinstance(here, str | int | float) and not isinstance(here, bool):
            parent[key] = str(here) if not isinstance(here, str) else _number(here)
        case 3:
            parent[key] = [here]
        case _:
            parent[key] = chance.choice(STRANGE)
    return value


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text[::-1]
