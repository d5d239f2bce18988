"""Rows of files that can be imported, and fields that should not be in them."""

from __future__ import annotations

import json
import random

from liqstream.file_import.formats import CAPTURE_COLUMNS, KLINE_COLUMNS
from liqstream.market import HOUR_MS, MINUTE_MS

FILLS = "hyperliquid fills"
T0_MS = 1_790_035_200_000
STRANGE_FIELDS = (
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e308",
    "1e400",
    "-1",
    "0",
    "-0.0",
    "1e-320",
    "1_000",
    "1,5",
    "0x10",
    "\u0661\u0662",
    "\u00bd",
    "\x00",
    "true",
    "null",
    "-",
    "9" * 30,
    "9" * 400,
    "x" * 5000,
    "=1+1",
    '"',
    "'",
    "1790035200",
    "1790035200000",
    "1790035200000000",
    "1790035200000000000",
    "4102444799999",
    "-1790035200000",
    "2026-10-01",
    "2026-10-01 00:00:00",
    "2026-10-01T00:00:00+14:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-02-30",
    "20261001",
    "2026-W40-4",
    "\ud7ff",
    "\u202e",
)
STRANGE_VALUES: tuple[object, ...] = (
    *(None, True, -1, 10**30, 1e300, "nan", "", [], {}, 2**63, -(2**63), "9" * 400),
    {"liquidatedUser": 5},
)
BARS = 30


def lines_of(form: str, chance: random.Random) -> list[list[str]]:
    """A header, where the form has one, and rows."""
    price = 100.0
    rows: list[list[str]] = []
    for number in range(BARS):
        at_ms = T0_MS + number * MINUTE_MS
        price *= chance.uniform(0.99, 1.01)
        opened, close = price, price * chance.uniform(0.99, 1.01)
        high, low = max(opened, close) * 1.001, min(opened, close) * 0.999
        figures = [f"{each:.4f}" for each in (opened, high, low, close)]
        coins = chance.uniform(1, 9)
        size, usd = f"{coins:.3f}", f"{coins * price:.1f}"
        match form:
            case "bars":
                rows.append([str(at_ms), *figures, size, usd, "0.0001", usd, "0.0"])
            case "klines":
                rows.append([str(at_ms), *figures, size, str(at_ms + 59_999), usd, "7", size, usd, "0"])
            case "metrics":
                rows.append([str(at_ms + number * 4 * MINUTE_MS), "BTCUSDT", size, usd])
            case "funding":
                rows.append([str(at_ms + number * 8 * HOUR_MS), "0.0001"])
            case "liquidations":
                side = chance.choice(["BUY", "SELL"])
                order = ["LIMIT", "IOC", size, figures[0], figures[0], "FILLED", size, size]
                rows.append(["BTCUSDT", side, *order, str(at_ms), usd])
            case _:
                rows.append([json.dumps(_block(number, at_ms, figures[0], size, chance))])
    headers = {
        "bars": "open_time,open,high,low,close,volume,open_interest_usd,funding_rate,long_usd,short_usd",
        "klines": ",".join(KLINE_COLUMNS),
        "metrics": "create_time,symbol,sum_open_interest,sum_open_interest_value",
        "funding": "time,funding_rate",
        "liquidations": ",".join(CAPTURE_COLUMNS),
    }
    return [headers[form].split(","), *rows] if form in headers else rows


def _block(number: int, at_ms: int, price: str, size: str, chance: random.Random) -> dict[str, object]:
    user = "0x" + "ab" * 20
    fill: dict[str, object] = {
        "coin": chance.choice(["BTC", "BTC", "kPEPE", "@107", "xyz:GOLD"]),
        "px": price,
        "sz": size,
        "side": chance.choice(["A", "B"]),
        "time": at_ms,
        "startPosition": size,
        "dir": "Close Long",
        "hash": "0x1",
        "oid": number,
        "tid": 1000 + number,
        "liquidation": {"liquidatedUser": user, "markPx": price, "method": "market"},
    }
    for name in chance.sample(sorted(fill), chance.choice([0, 0, 0, 1, 2])):
        fill[name] = chance.choice(STRANGE_VALUES)
    return {"block_time": at_ms, "block_number": number, "events": [[user, fill]]}
