"""Counts what the guard refuses, by exchange, symbol, kind and reason, and logs a sample of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

_log = structlog.get_logger(__name__)


class Refusal(NamedTuple):
    """What is counted: whose record, of which kind, and why it was refused."""

    exchange: str
    symbol: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """`refused` counts; `last_refusal` is, by exchange, what was refused last, in words."""

    refused: Counter[Refusal] = field(default_factory=Counter)
    last_refusal: dict[str, str] = field(default_factory=dict)

    def add(self, refusal: Refusal, rows: int, sample: str) -> None:
        """Count so many; the first is logged, then one at every doubling."""
        before = self.refused[refusal]
        self.refused[refusal] = count = before + rows
        self.last_refusal[refusal.exchange] = f"{refusal.symbol}: {refusal.kind}, {refusal.reason}"
        if not before or before.bit_length() != count.bit_length():
            _log.warning("record_refused", **refusal._asdict(), count=count, sample=sample[:200])
