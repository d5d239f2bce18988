"""Tables for pandas, and how values are shown in one line."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any


def data_frame(
    columns: Mapping[str, Any], index: str, facts: Mapping[str, Any], *, utc_ms: bool = False
) -> Any:
    """A pandas DataFrame of `columns`, indexed by one of them, with `facts` in its `attrs`.

    `utc_ms`: the index is UTC epoch ms and becomes times in UTC. Raises ImportError, with what to install,
    where pandas is missing: the client does without it.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        raise ImportError("to_pandas() needs pandas: pip install pandas") from None
    frame = pandas.DataFrame(dict(columns))
    if utc_ms:
        frame[index] = pandas.to_datetime(frame[index], unit="ms", utc=True)
    frame = frame.set_index(index)
    frame.attrs.update(facts)
    return frame


def short_usd(usd: float) -> str:
    """USD in a few characters: 950, 1.5K, 20.0M, 1.2B."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if usd >= size:
            return f"{usd / size:.1f}{unit}"
    return f"{usd:.0f}"
