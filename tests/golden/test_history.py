"""The history's bytes ("LQH1") and its JSON columns."""

from __future__ import annotations

from liqstream.wire.history_codec import encode_history, history_columns
from tests.golden.compare import check_json, check_text, hex_lines, read_exactly
from tests.golden.fixed import HISTORY


def test_lqh1_bytes() -> None:
    """Name and header length, the JSON header, and the planes after it."""
    body = encode_history(HISTORY)
    size = int.from_bytes(body[4:8], "little")
    check_json("lqh1-header.json", read_exactly(body[8 : 8 + size]))
    check_text("lqh1.txt", hex_lines(body[:8]) + "header\n" + hex_lines(body[8 + size :]))


def test_history_as_json_columns() -> None:
    """Each column's time, levels, gained and swept cells."""
    check_json("history-columns.json", list(history_columns(HISTORY)))
