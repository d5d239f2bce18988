"""liqstream/wire/market_table_message.py: a table whole, as changes, for REST, and for Redis."""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import replace
from typing import Any

import orjson
import pytest

from liqstream.heatmap.market_table import FIELDS
from liqstream.wire.market_table_message import (
    BadTableError,
    EncodedMarketTable,
    decode_table,
    encode_table,
)
from tests.support.frame_reader import FrameReader
from tests.support.market_tables import EPOCH, table
from tests.test_api_schemas import check_message


def test_a_table_is_sent_whole_or_as_what_changed() -> None:
    """Each follows the schema, deflated or not, and is made once."""
    first, second = table(1, price=[98_000, 3000]), table(2, price=[98_000, 3001])
    encoded = EncodedMarketTable(second, first)
    (whole,) = FrameReader().messages(encoded.frame(0, is_delta=False))
    (changes,) = FrameReader().messages(encoded.frame(0, is_delta=True))
    assert check_message(whole) == check_message(changes) == "markets"
    assert (whole["symbols"], whole["fields"]["price"]) == (["BTCUSDT", "ETHUSDT"], [98_000, 3001])
    assert list(whole["fields"]) == list(FIELDS)
    assert (changes["prev_seq"], changes["fields"]) == (1, {"price": {"i": [1], "v": [3001]}})
    (deflated,) = FrameReader(15).messages(encoded.frame(15, is_delta=False))
    assert deflated == whole
    assert encoded.frame(15, is_delta=False) is encoded.frame(15, is_delta=False)
    rows = orjson.loads(encoded.rows)
    assert [row["symbol"] for row in rows["markets"]] == whole["symbols"]
    assert (rows["epoch"], rows["seq"]) == (EPOCH, 2)


def test_changes_need_a_table_of_the_same_markets_and_epoch() -> None:
    """Else there is no base, and everybody gets the whole."""
    assert EncodedMarketTable(table(2), table(1)).base == (EPOCH, 1)
    assert EncodedMarketTable(table(2)).base is None
    assert EncodedMarketTable(table(1, epoch=EPOCH + 1), table(1)).base is None
    assert EncodedMarketTable(table(2, symbols=("BTCUSDT",)), table(1)).base is None


def test_a_table_comes_back_from_redis() -> None:
    """With every field."""
    sent = table(7, price=[98_000.5, None], funding_time=[EPOCH, None])
    assert decode_table(encode_table(sent)) == replace(
        sent, fields={n: list(v) for n, v in sent.fields.items()}
    )


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"seq": 0},
        {"epoch": int(time.time() * 1000) + 20 * 365 * 86_400_000},
        {"symbols": ["BTCUSDT"]},
        {"fields": {}},
        {"fields": {**{name: [1, 2] for name in FIELDS}, "price": [{}, 1]}},
        {"timestamp_ms": "now"},
    ],
)
def test_what_is_no_table_is_refused(change: dict[str, object]) -> None:
    """Whoever wrote it."""
    payload = {**json.loads(encode_table(table(1))), **change}
    with pytest.raises(BadTableError):
        decode_table(json.dumps(payload).encode())
    for garbage in (b"", b"[" * 100_000, zlib.compress(b"x"), b"x" * (5 * 1024 * 1024)):
        with pytest.raises(BadTableError):
            decode_table(garbage)


def test_500_markets_cost_a_client_little() -> None:
    """All prices and a tenth of the other figures change every 2 s: at most 10 kB/s deflated, 20 plain."""
    symbols = tuple(f"COIN{number}USDT" for number in range(500))

    def figures(step: int) -> dict[str, Any]:
        moving = {
            n: [row * 1013 % 997 + (step if row % 10 == 0 else 0) for row in range(500)] for n in FIELDS[2:15]
        }
        still: dict[str, Any] = {
            "venues": [["binance", "bybit", "okx"]] * 500,
            "source": ["live"] * 500,
            "stale": [False] * 500,
        }
        prices = [round(1.0001**row * (1 + step / 1000 + row % 7 / 9999), 6) for row in range(500)]
        return {"price": prices, "price_24h": prices[::-1], **moving, **still}

    first, second = (table(step, symbols=symbols, **figures(step)) for step in (1, 2))
    encoded = EncodedMarketTable(second, first)
    sizes = {bits: len(encoded.frame(bits, is_delta=True)) / 2 for bits in (0, 15)}
    whole = {bits: len(encoded.frame(bits, is_delta=False)) / 60 for bits in (0, 15)}
    assert sizes[0] + whole[0] <= 20_000
    assert sizes[15] + whole[15] <= 10_000


def test_a_table_of_an_earlier_version_has_no_progress() -> None:
    """In a fleet that is being renewed; other columns must be there."""
    sent = table(7, history_percent=[40, None])
    assert decode_table(encode_table(sent)).fields["history_percent"] == [40, None]
    document = json.loads(encode_table(sent))
    del document["fields"]["history_percent"]
    assert decode_table(json.dumps(document).encode()).fields["history_percent"] == [None, None]
    del document["fields"]["stale"]
    with pytest.raises(BadTableError, match="a field is missing"):
        decode_table(json.dumps(document).encode())
