"""liqstream/client/symbol_names.py: every usual name of a market means one symbol, the server's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.client.symbol_names import symbol_of, symbols_of
from liqstream.market import identity

CASES = json.loads((Path(__file__).parents[1] / "symbol_names.json").read_text())

_PARTS = (
    "1000",
    "1M",
    "k",
    "K",
    "PEPE",
    "btc",
    "1INCH",
    "-",
    "/",
    "_",
    ":",
    "USDT",
    "usdc",
    "USD",
    "-SWAP",
    "PERP",
    ".P",
    "\uff35\uff33\uff24\uff34",
    "é",
)


@pytest.mark.parametrize(("name", "symbol"), CASES)
def test_every_usual_name_means_its_symbol(name: str, symbol: str) -> None:
    """By the table that the server and the JavaScript client are held to as well."""
    assert symbol_of(name) == symbol
    assert identity.symbol_of(name) == symbol


@given(st.lists(st.sampled_from(_PARTS), max_size=7).map("".join) | st.text(max_size=12))
def test_a_client_means_what_the_server_means(name: str) -> None:
    """Whatever is written; and what was understood once stays as it is."""
    assert symbol_of(name) == identity.symbol_of(name)


def test_a_symbol_named_twice_is_one() -> None:
    """In the order in which they were named first."""
    assert symbols_of(["eth-usdt", "BTC/USDT:USDT", "ETHUSDT"]) == ("ETHUSDT", "BTCUSDT")
