"""Golden files: what liqstream shows to the outside, kept as text beside the tests that compare it.

`make golden` (WRITE_GOLDEN=1) writes them anew; without it a difference fails and is shown line by line.
"""

from __future__ import annotations

import difflib
import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parent / "data"
WRITE = "WRITE_GOLDEN"
"""Named unlike a setting of the server, which it is none of."""

_LINE_CHARS = 110
_HEX_BYTES = 32


def check_text(name: str, text: str) -> None:
    """`text` is that of the golden file `name`; or, when they are written, becomes it."""
    path = DATA / name
    if os.environ.get(WRITE) == "1":
        path.write_text(text, encoding="utf-8")
        return
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if text != kept:
        lines = difflib.unified_diff(
            kept.splitlines(), text.splitlines(), f"tests/golden/data/{name}", "now", lineterm=""
        )
        changed = "\n".join(lines) or "only the end of the file differs"
        pytest.fail(f"{changed}\nIf this is intended, run `make golden` and commit its diff.", pytrace=False)


def check_json(name: str, value: Any) -> None:
    """`value` is that of the golden file `name`, in every type, digit and order of keys."""
    check_text(name, f"{pretty(value)}\n")


def pretty(value: Any, indent: int = 0) -> str:
    """JSON that a person can read: what fits on a line stands on one, long rows of numbers are wrapped."""
    line = json.dumps(value, ensure_ascii=False)
    pad = " " * (indent + 1)
    if len(pad) + len(line) <= _LINE_CHARS or not isinstance(value, dict | list):
        return line
    if isinstance(value, dict):
        items = [f"{pad}{json.dumps(key)}: {pretty(each, indent + 1)}" for key, each in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + pad[:-1] + "}"
    if any(isinstance(each, dict | list | str) for each in value):
        rows = [pad + pretty(each, indent + 1) for each in value]
        return "[\n" + ",\n".join(rows) + "\n" + pad[:-1] + "]"
    wrapped = textwrap.fill(line[1:-1], _LINE_CHARS, initial_indent=pad, subsequent_indent=pad)
    return f"[\n{wrapped}\n{pad[:-1]}]"


def read_exactly(payload: bytes) -> Any:
    """The JSON of `payload`, which is compact and has nothing a golden file would not show."""
    value = json.loads(payload)
    again = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert again == payload, f"{payload!r} is not written as {again!r}"
    return value


def hex_lines(data: bytes) -> str:
    """`data` as lines of an offset and up to 32 bytes in hex."""
    starts = range(0, len(data), _HEX_BYTES)
    return "".join(f"{start:06x}  {data[start : start + _HEX_BYTES].hex(' ', 4)}\n" for start in starts)


def shape(value: Any) -> Any:
    """`value` with every number replaced by the name of its type, and lists by the shapes in them."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        shapes: list[Any] = []
        for each in map(shape, value):
            if each not in shapes:
                shapes.append(each)
        return shapes
    return type(value).__name__ if isinstance(value, int | float) and not isinstance(value, bool) else value
