"""A market's name in any usual form to its symbol: BTC/USDT:USDT, BTC-USDT-SWAP, btc_usdt, kPEPE.

The server's rule (liqstream/market/identity.py), which a client alone does not have; tests/symbol_names.json
holds both, and web/js/wire/symbol-names.js, to one table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_QUOTES = ("USDT", "USDC", "USD")
_BEFORE = re.compile(rf"(?:1000000|10000|1000|1M)([A-Z][A-Z0-9]*(?:{'|'.join(_QUOTES)}))")
_BEHIND = re.compile(rf"([A-Z][A-Z0-9]*[A-Z])1000({'|'.join(_QUOTES)})")
_THOUSAND = re.compile(r"k([A-Z0-9]{2,})([-/_.:].*)?", re.DOTALL)
_MARKED = re.compile(r"(?:[A-Z0-9]+:)?(.+(?:USDT|USDC))(?:[-_]?PERP|[-_]SWAP|\.P|_UMCBL)", re.DOTALL)


def symbol_of(name: str) -> str:
    """The symbol of the perpetual that a name means, its prices those of one coin: PEPEUSDT for kPEPE.

    A name that means none (a date, a settlement in the coin) comes back in capitals; a server refuses it.
    """
    text = unicodedata.normalize("NFKC", name)
    thousand = _THOUSAND.fullmatch(text)
    if thousand is not None:
        quoted = thousand[2] or thousand[1].endswith(_QUOTES)
        text = f"1000{text[1:]}" if quoted else f"1000{thousand[1]}USDT"
    text = text.upper()
    marked = _MARKED.fullmatch(text)
    pair, _, settled = (text if marked is None else marked[1]).partition(":")
    if settled and not pair.endswith(settled):
        return text
    parts = re.split(r"[-/_]", pair.removesuffix("-SWAP").removesuffix("-PERP"))
    is_pair = len(parts) == 2 and parts[1] in _QUOTES
    contract = "".join(parts) if is_pair or (len(parts) == 1 and marked is not None) else text
    before, behind = _BEFORE.fullmatch(contract), _BEHIND.fullmatch(contract)
    if before is not None:
        return before[1]
    return contract if behind is None else behind[1] + behind[2]


def symbols_of(names: Iterable[str]) -> tuple[str, ...]:
    """The symbols that names mean, each once, in order."""
    return tuple(dict.fromkeys(map(symbol_of, names)))
