"""Which records of the past are still missing, by symbol and kind, until they have been fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from liqstream.market import DAY_MS

PAST_KINDS = ("open_interest", "funding", "liquidations", "bars")
"""In the order they are fetched: bars last, because a map is made anew when they come."""

LONGEST_MS = 800 * DAY_MS
"""More than the longest history is missing of nothing: such a span in a file is not ours."""

Span = tuple[int, int]
"""First and end, UTC ms; the end is not part of it."""


@dataclass(slots=True)
class MissingPast:
    """Spans by (symbol, kind); spans that touch are one."""

    _spans: dict[tuple[str, str], list[Span]] = field(default_factory=dict)

    def add(self, symbol: str, kind: str, start_ms: int, end_ms: int) -> None:
        """Remember that nothing is known of [start_ms, end_ms)."""
        if end_ms <= start_ms:
            return
        spans = sorted([*self._spans.get((symbol, kind), []), (start_ms, end_ms)])
        joined = [spans[0]]
        for start, end in spans[1:]:
            if start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        self._spans[symbol, kind] = joined

    def fetched(self, symbol: str, kind: str, until_ms: int, end_ms: int) -> None:
        """Everything before `until_ms` of the spans that end by `end_ms` is known now."""
        left = [
            (max(start, until_ms), end) if end <= end_ms else (start, end)
            for start, end in self._spans.pop((symbol, kind), [])
        ]
        if left := [(start, end) for start, end in left if start < end]:
            self._spans[symbol, kind] = left

    def forget(self, symbol: str) -> None:
        """Nothing of a symbol is missed any more."""
        self._spans = {key: spans for key, spans in self._spans.items() if key[0] != symbol}

    def forget_later(self, symbol: str, latest_ms: int) -> None:
        """Nothing of a symbol is missed that ends after `latest_ms`: it cannot be fetched, ever."""
        for kind in PAST_KINDS:
            spans = self._spans.pop((symbol, kind), [])
            if left := [(start, min(end, latest_ms)) for start, end in spans if start < latest_ms]:
                self._spans[symbol, kind] = left

    def spans(self, symbol: str, kind: str) -> list[Span]:
        """What is missing, ascending."""
        return list(self._spans.get((symbol, kind), []))

    def symbols(self) -> set[str]:
        """The symbols of which something is missing."""
        return {symbol for symbol, _ in self._spans}

    def items(self) -> list[tuple[tuple[str, str], list[Span]]]:
        """What is missing, by (symbol, kind)."""
        return list(self._spans.items())

    def to_document(self) -> dict[str, Any]:
        """As JSON: symbol, kind, spans."""
        document: dict[str, Any] = {}
        for (symbol, kind), spans in self._spans.items():
            document.setdefault(symbol, {})[kind] = [list(span) for span in spans]
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any], symbols: tuple[str, ...]) -> MissingPast:
        """What `to_document` made, of these symbols; what is not of its form is left out."""
        missing = cls()
        for symbol in symbols:
            kinds = document.get(symbol)
            if not isinstance(kinds, dict):
                continue
            for kind in PAST_KINDS:
                spans = kinds.get(kind)
                for span in spans if isinstance(spans, list) else ():
                    if (
                        isinstance(span, list)
                        and len(span) == 2
                        and all(type(at) is int and at >= 0 for at in span)
                        and span[1] - span[0] <= LONGEST_MS
                    ):
                        missing.add(symbol, kind, *span)
        return missing
