"""The market list: the symbols that are followed now, in one object that many hold and one changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload


class MarketList(Sequence[str]):
    """Symbols in their order, each once. An iteration goes over the list as it was when it began."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self._symbols = tuple(dict.fromkeys(symbols))
        self._known = frozenset(self._symbols)

    @property
    def now(self) -> tuple[str, ...]:
        """The symbols as they are now."""
        return self._symbols

    def replace(self, symbols: Iterable[str]) -> None:
        """Follow these from now on."""
        self._symbols = tuple(dict.fromkeys(symbols))
        self._known = frozenset(self._symbols)

    def __len__(self) -> int:
        return len(self._symbols)

    def __iter__(self) -> Iterator[str]:
        return iter(self._symbols)

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._known

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        """The symbol at a place, or a tuple of those in a range."""
        return self._symbols[at]
