"""liqstream/store/tables.py: every column is a field of the record, and a key names its series."""

from __future__ import annotations

from dataclasses import fields

import pytest

from liqstream.store.tables import CANDLES, LIQUIDATIONS, TABLES, Table


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_columns_are_fields_of_the_record(table: Table) -> None:
    """But for the number that equal records of a message are counted by; each is in one group."""
    names = {field.name for field in fields(table.record)}
    assert set(table.columns) - names == ({"occurrence"} if table.counted else set())
    assert len(set(table.columns)) == len(table.columns)
    assert set(table.texts) | set(table.integers) <= set(table.columns)


def test_the_market_is_the_key_up_to_the_time() -> None:
    """What comes before it names a series."""
    assert CANDLES.market == ("exchange", "symbol", "interval_ms")
    assert LIQUIDATIONS.market == ("exchange", "symbol")
    assert LIQUIDATIONS.columns[-1] == "occurrence"
