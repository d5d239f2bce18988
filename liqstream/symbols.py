"""Which symbols and update intervals a client may ask for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

SUPPORTED_SYMBOLS: tuple[str, ...] = (
    "BTCUSDT",
    "ETHUSDT",
    "BNBUSDT",
    "SOLUSDT",
    "XRPUSDT",
    "DOGEUSDT",
    "ADAUSDT",
    "LINKUSDT",
    "AVAXUSDT",
    "LTCUSDT",
)
"""Symbols with a maintenance-margin table of their own; LIQSTREAM_EXTRA_SYMBOLS adds more."""

SIMULATED_BY_THOUSAND = "PEPEUSDT"
"""The simulated market has this coin too, which it counts by the thousand as exchanges do."""

SYMBOL_PATTERN = re.compile(r"[A-Z0-9]{2,20}|(?=.{2,20}\Z)[^\W_]+(?:USDT|USDC|USD)")
"""ASCII, or a base in another script before an ASCII quote; `is_symbol` asks more of the latter."""

MAX_SYMBOL_BYTES = 60
MAX_SYMBOLS_PER_MESSAGE = 10

MIN_UPDATE_INTERVAL_S = 1
MAX_UPDATE_INTERVAL_S = 60
DEFAULT_UPDATE_INTERVAL_S = 5

INTERVALS_MS: dict[str, int] = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "2h": 7_200_000,
    "4h": 14_400_000,
    "6h": 21_600_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}
"""Bar intervals by their usual names."""


def is_symbol(text: str) -> bool:
    """True for text that has the form of a symbol; the form is checked before any allow-list.

    2 to 20 capital letters and digits. Beyond ASCII it must be normalised (NFC, and no look-alike such as a
    full-width letter), at most 60 bytes of UTF-8, its base of one script.
    """
    if SYMBOL_PATTERN.fullmatch(text) is None:
        return False
    return text.isascii() or _is_plain(text)


def _is_plain(text: str) -> bool:
    if unicodedata.normalize("NFKC", text) != text or text.upper() != text:
        return False
    if len(text.encode()) > MAX_SYMBOL_BYTES:
        return False
    base = re.sub(r"(?:USDT|USDC|USD)\Z", "", text)
    letters = [each for each in base if unicodedata.category(each) != "Nd"]
    return (
        all(unicodedata.category(each)[0] == "L" for each in letters) and len(set(map(_script, letters))) == 1
    )


def _script(letter: str) -> str:
    """The first word of its name, e.g. LATIN, CJK: Python knows no scripts."""
    return unicodedata.name(letter, "").split(" ")[0]


@lru_cache(maxsize=4096)
def ascii_symbol(symbol: str) -> str:
    """A symbol in ASCII, percent-encoded where it is not: for metric labels, keys and file names."""
    return quote(symbol, safe="")


def validate_symbols(
    symbols: Iterable[str], allowed: Iterable[str] = SUPPORTED_SYMBOLS
) -> tuple[list[str], list[str]]:
    """Split what was asked for into (valid, invalid) symbols, in order, each once.

    Valid symbols are served even when others of the same list are not.
    """
    known = frozenset(allowed)
    valid: list[str] = []
    invalid: list[str] = []
    for symbol in dict.fromkeys(symbols):
        (valid if is_symbol(symbol) and symbol in known else invalid).append(symbol)
    return valid, invalid


def validate_interval(interval_s: float | None, default_s: int = DEFAULT_UPDATE_INTERVAL_S) -> int:
    """The update interval in whole seconds, clamped to 1..60; the default when none was given."""
    if interval_s is None:
        return default_s
    return int(min(MAX_UPDATE_INTERVAL_S, max(MIN_UPDATE_INTERVAL_S, interval_s)))


def interval_ms(name: str) -> int:
    """Milliseconds of a bar interval such as "5m". Raises ValueError that lists the known ones."""
    try:
        return INTERVALS_MS[name]
    except KeyError:
        raise ValueError(f"unknown interval {name!r}; one of {', '.join(INTERVALS_MS)}") from None


def interval_name(milliseconds: int) -> str:
    """The usual name of a bar interval, e.g. 300000 -> "5m"."""
    for name, value in INTERVALS_MS.items():
        if value == milliseconds:
            return name
    return f"{milliseconds // 1000}s"
