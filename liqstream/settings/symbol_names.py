"""The settings that name symbols: in any usual form, or a choice by size (`top:50`, `all`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from liqstream.market.identity import canonical, contract_name
from liqstream.market.ranking import MarketChoice
from liqstream.symbols import SUPPORTED_SYMBOLS, is_symbol


class ChosenSymbols(tuple[str, ...]):
    """Symbols that are chosen by size while the server runs; until then those with a table of their own."""

    choice: MarketChoice

    def __new__(cls, choice: MarketChoice) -> ChosenSymbols:
        """Of `top:N` or `all`."""
        made = super().__new__(cls, SUPPORTED_SYMBOLS)
        made.choice = choice
        return made


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    parts = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
    return parts if any(map(MarketChoice.read, parts)) else tuple(dict.fromkeys(map(contract_name, parts)))


def _checked(value: tuple[str, ...]) -> tuple[str, ...]:
    for symbol in value:
        if not is_symbol(symbol):
            raise ValueError(f"{symbol!r} is no symbol; 2 to 20 capital letters and digits, e.g. BTCUSDT")
    return tuple(dict.fromkeys(map(canonical, value)))


def _chosen_or_checked(value: tuple[str, ...]) -> tuple[str, ...]:
    choices = [choice for part in value if (choice := MarketChoice.read(part))]
    if choices and len(value) > 1:
        raise ValueError(f"{choices[0]} alone, without other symbols")
    return ChosenSymbols(choices[0]) if choices else _checked(value)


SymbolNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_checked)]
"""A comma-separated list of symbols."""

FollowedSymbols = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_chosen_or_checked)
]
"""The same, or a choice by size."""
