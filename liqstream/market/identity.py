"""Identity: which coin a contract is of, and how many coins its price and its sizes are counted in.

Exchanges list cheap coins by the thousand: `1000PEPEUSDT`, `SHIB1000USDT`, `kPEPE` (which the adapter calls
1000PEPEUSDT). Here all of them are one symbol, PEPEUSDT, in single coins.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

from liqstream.market.records import (
    Candle,
    FundingRate,
    Liquidation,
    LiquidationSpan,
    LiquidationTotal,
    MarketEvent,
    MarkPrice,
    OpenInterest,
)

QUOTES = ("USDT", "USDC", "USD")
"""What linear contracts are quoted and settled in, the preferred first."""

MULTIPLIERS: dict[str, int] = {"1000000": 1_000_000, "10000": 10_000, "1000": 1_000, "1M": 1_000_000}
"""How a contract's name says that it is of so many coins."""

_BEFORE = re.compile(rf"({'|'.join(MULTIPLIERS)})([A-Z][A-Z0-9]*)({'|'.join(QUOTES)})")
_BEHIND = re.compile(rf"([A-Z][A-Z0-9]*[A-Z])(1000)({'|'.join(QUOTES)})")

_THOUSAND = re.compile(r"k([A-Z0-9]{2,})([-/_.:].*)?", re.DOTALL)
"""Hyperliquid's names; only there the small letter means something."""

_MARKED = re.compile(r"(?:[A-Z0-9]+:)?(.+(?:USDT|USDC))(?:[-_]?PERP|[-_]SWAP|\.P|_UMCBL)", re.DOTALL)
"""How other exchanges, and TradingView, mark a perpetual that is settled in its quote: BYBIT:BTCUSDT.P."""

_PERPETUAL = re.compile(r"(?<=[^-_])[-_]?PERP\Z")

Record = TypeVar("Record", bound=MarketEvent)


@dataclass(frozen=True, slots=True)
class Contract:
    """A linear perpetual: `symbol` is its coin's in single coins, `coins` what the exchange counts as one."""

    symbol: str
    coins: int


def contract_of(name: str) -> Contract:
    """The contract that an exchange or a user calls `name`; one without a multiplier is itself."""
    before = _BEFORE.fullmatch(name)
    if before is not None:
        return Contract(before[2] + before[3], MULTIPLIERS[before[1]])
    behind = _BEHIND.fullmatch(name)
    if behind is not None:
        return Contract(behind[1] + behind[3], MULTIPLIERS[behind[2]])
    return Contract(name, 1)


def contract_name(text: str) -> str:
    """A contract as we write it, in whose way ever it is written: PEPE-USDT-SWAP, PEPEUSDT.P, kPEPE.

    What marks another kind of contract stays, and is no symbol then. Full-width text is as good as plain.
    """
    text = unicodedata.normalize("NFKC", text)
    thousand = _THOUSAND.fullmatch(text)
    if thousand is not None:
        quoted = thousand[2] or thousand[1].endswith(QUOTES)
        text = f"1000{text[1:]}" if quoted else f"1000{thousand[1]}USDT"
    text = text.upper()
    marked = _MARKED.fullmatch(text)
    pair, _, settled = (text if marked is None else marked[1]).partition(":")
    if settled and not pair.endswith(settled):
        return text
    parts = re.split(r"[-/_]", pair.removesuffix("-SWAP").removesuffix("-PERP"))
    is_pair = len(parts) == 2 and parts[1] in QUOTES
    return "".join(parts) if is_pair or (len(parts) == 1 and marked is not None) else text


def symbol_of(text: str) -> str:
    """The symbol that a name in any usual form means: PEPEUSDT for kPEPE, 1000PEPEUSDT and PEPE/USDT:USDT.

    A name that means none comes back in capitals, and is none that is followed.
    """
    return canonical(contract_name(text))


def followed_symbol(name: str, followed: Collection[str]) -> str | None:
    """Which of some symbols a name means, None for none: in any usual form, or a coin without its quote.

    So Hyperliquid and Lighter name theirs (BTC), and others the only one (BTC-PERP).
    """
    meant = symbol_of(name)
    coin = _PERPETUAL.sub("", meant)
    possible = (name, meant, *(canonical(coin + quote) for quote in QUOTES))
    return next((symbol for symbol in possible if symbol in followed), None)


def ccxt_name(symbol: str) -> str:
    """A symbol as ccxt writes the perpetual: BTC/USDT:USDT; the symbol itself where it has no known quote."""
    quote = next((each for each in QUOTES if symbol.endswith(each) and symbol != each), None)
    return symbol if quote is None else f"{symbol.removesuffix(quote)}/{quote}:{quote}"


NEAREST = 10
"""So many markets an answer to an unknown name lists; hundreds may be followed."""

_COMPARED_CHARS = 40
"""Of a client's text so much is compared: each answer costs the same, whatever was sent."""


def offered(names: Iterable[str], symbols: Sequence[str]) -> str:
    """What an answer to unknown names lists: all `symbols`, or of many the ten nearest to any of them."""
    if len(symbols) <= NEAREST:
        return ", ".join(symbols)
    asked = [_letter_pairs(symbol_of(name[:_COMPARED_CHARS])) for name in names]
    # The largest of equals is the first: the markets stand in the order of their size.
    nearest = heapq.nlargest(NEAREST, symbols, key=lambda symbol: _likeness(_letter_pairs(symbol), asked))
    return f"{', '.join(nearest)} (the nearest of {len(symbols)})"


def _likeness(pairs: frozenset[str], asked: Iterable[frozenset[str]]) -> float:
    return max((2 * len(pairs & other) / (len(pairs) + len(other)) for other in asked), default=0.0)


@lru_cache(maxsize=4096)
def _letter_pairs(symbol: str) -> frozenset[str]:
    """Neighbouring letters of a symbol's base, its ends among them."""
    base = next((symbol.removesuffix(quote) for quote in QUOTES if symbol.endswith(quote)), symbol)
    ends = f"^{base}$"
    return frozenset(ends[at : at + 2] for at in range(len(ends) - 1))


def canonical(name: str) -> str:
    """The symbol of a contract's coin: PEPEUSDT for 1000PEPEUSDT."""
    return contract_of(name).symbol


def in_coins(record: Record) -> Record:
    """A record of a contract as one of its coin: price per coin, sizes in coins; USD figures are the same."""
    contract = contract_of(record.symbol)
    if contract.symbol == record.symbol:
        return record
    return _scaled(record, contract)


def as_symbol(record: Record, symbol: str) -> Record:
    """A contract's record as one of `symbol`, in single coins."""
    return _scaled(record, Contract(symbol, contract_of(record.symbol).coins))


def per_coin(price: float, coins: int) -> float:
    """The price of one coin where `price` is that of so many, in the digits it was given in.

    A division of binary fractions leaves 1.2345000000000001e-05 of .012345; fifteen digits are all there are.
    """
    return price if coins == 1 else float(f"{price / coins:.15g}")


def single_coins(size: float, coins: int) -> float:
    """A size in single coins where it was counted by so many, in the digits it was given in."""
    return size if coins == 1 else float(f"{size * coins:.15g}")


def _scaled(record: Record, contract: Contract) -> Record:
    coins = contract.coins
    match record:
        case Candle():
            volume, taker_buy = record.volume_base, record.taker_buy_base
            return replace(
                record,
                symbol=contract.symbol,
                open=per_coin(record.open, coins),
                high=per_coin(record.high, coins),
                low=per_coin(record.low, coins),
                close=per_coin(record.close, coins),
                volume_base=None if volume is None else single_coins(volume, coins),
                taker_buy_base=None if taker_buy is None else single_coins(taker_buy, coins),
            )
        case OpenInterest():
            base = single_coins(record.open_interest_base, coins)
            return replace(record, symbol=contract.symbol, open_interest_base=base)
        case Liquidation():
            return replace(
                record,
                symbol=contract.symbol,
                price_usd=per_coin(record.price_usd, coins),
                quantity_base=single_coins(record.quantity_base, coins),
            )
        case MarkPrice():
            return replace(record, symbol=contract.symbol, price_usd=per_coin(record.price_usd, coins))
        case LiquidationTotal() | LiquidationSpan() | FundingRate():
            return replace(record, symbol=contract.symbol)
