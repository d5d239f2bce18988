"""The order in which an exchange is asked about symbols: those that somebody looks at come first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence


def watched_first(symbols: Sequence[str], watched: Callable[[], Collection[str]]) -> Iterator[str]:
    """Each of `symbols` once; at every step one that is watched by then, else the first that is left."""
    left = list(symbols)
    while left:
        now = watched()
        symbol = next((each for each in left if each in now), left[0])
        left.remove(symbol)
        yield symbol
