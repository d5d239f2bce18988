"""Maintenance margin, bracket by bracket: the leverage offered and the liquidation price of a position.

Binance USD-M isolated margin: the maintenance margin of a position is its notional at the mark price times
the rate of its bracket, less the bracket's cumulative amount. With q base coin, leverage L, entry price EP
(https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93):

    long   LP = (EP * (1 - 1/L) - cum/q) / (1 - MMR)
    short  LP = (EP * (1 + 1/L) + cum/q) / (1 + MMR)

where MMR and cum are those of the bracket the notional *at the liquidation price* falls in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from liqstream.market import Side
from liqstream.market.identity import symbol_of
from liqstream.settings.whole_file import whole_file
from liqstream.supervision.error_log import in_one_line, in_words

MOST_CAP_USD, MOST_LEVERAGE = 1e14, 5000.0
"""No exchange takes larger positions than all money there is, nor offers more leverage than this."""
BRACKETS_FILE = "brackets_binance_20241024.json"
"""Brackets of the supported symbols as of the date in the name; other exchanges' are close to them."""


Rows: TypeAlias = Sequence[Sequence[float]]
"""A symbol's brackets as lists: floor, cap, rate, leverage, cumulative."""


class BracketsError(ValueError):
    """Brackets that are missing or cannot be used; the message is the one line to show."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """One step of the maintenance-margin table: notionals from `floor_usd` up to `cap_usd`."""

    floor_usd: float
    cap_usd: float
    maintenance_margin_rate: float
    max_leverage: float
    cumulative_usd: float


@dataclass(frozen=True, slots=True)
class BracketTable:
    """The brackets of one exchange's symbols, as of a date."""

    exchange: str
    as_of: str
    symbols: dict[str, tuple[Bracket, ...]]
    given: frozenset[str] = frozenset()
    """Symbols that a user's own file has: it counts before every exchange's table."""

    def of(self, symbol: str) -> tuple[Bracket, ...]:
        """The brackets of a symbol, ascending. Raises BracketsError that says how to add them."""
        try:
            return self.symbols[symbol]
        except KeyError:
            raise BracketsError(
                f"no maintenance-margin brackets for {symbol} (table of {self.exchange}, {self.as_of}); "
                "add them in a file of the same form"
            ) from None


@cache
def bundled_brackets() -> BracketTable:
    """The table that ships with the package."""
    text = files("liqstream.model").joinpath(BRACKETS_FILE).read_text(encoding="utf-8")
    return _parse(text, BRACKETS_FILE)


def load_brackets(path: Path | str | None = None) -> BracketTable:
    """The bundled table, with the symbols of the file at `path`, if any, added or replaced.

    Raises BracketsError in one line when the file is missing or damaged.
    """
    bundled = bundled_brackets()
    if not path:
        return bundled
    try:
        given = _parse(whole_file(path).decode(), str(path))
    except OSError as error:
        raise BracketsError(f"bracket file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BracketsError(
            f"bracket file {path} cannot be read: it is no UTF-8 text ({error.reason})"
        ) from None
    symbols = {**bundled.symbols, **given.symbols}
    return BracketTable(given.exchange, given.as_of, symbols, frozenset(given.symbols))


def bracket_table(
    exchange: str, as_of: str, rows: Mapping[str, Rows], *, or_else: Mapping[str, Rows] | None = None
) -> BracketTable:
    """A table of rows of the form our files have; symbols whose rows no exchange can have are left out.

    Where `or_else` has sound rows of such a symbol, they stand in. Raises AttributeError for no mapping.
    """
    symbols = {}
    for symbol, own in rows.items():
        for found in (own, (or_else or {}).get(symbol, ())):
            with suppress(ValueError, TypeError, ArithmeticError):
                brackets = tuple(Bracket(*map(float, row)) for row in found)
                _check(symbol, brackets, exchange)
                symbols[symbol] = brackets
                break
    return BracketTable(exchange, as_of, symbols)


def table_rows(table: BracketTable) -> dict[str, Rows]:
    """A table's rows in the form our files have."""
    return {symbol: [list(astuple(each)) for each in brackets] for symbol, brackets in table.symbols.items()}


def liquidation_price(
    side: Side, entry_price: float, *, leverage: float, quantity: float, brackets: tuple[Bracket, ...]
) -> float:
    """Mark price in USD at which an isolated position of `quantity` base coin is liquidated.

    0 for a long that cannot be liquidated above zero (leverage 1). Raises ValueError for figures that are
    no position: not positive, not finite, or leverage below 1.
    """
    for name, value in (("entry price", entry_price), ("quantity", quantity)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"the {name} must be a positive number, not {value}")
    if not (math.isfinite(leverage) and leverage >= 1):
        raise ValueError(f"the leverage must be at least 1, not {leverage}")
    # The price depends on the bracket and the bracket on the price. Equity falls steadily toward the
    # liquidation price and the margin required is continuous in the notional, so exactly one bracket
    # holds its own price; the nearest one is right at a boundary, where rounding may hide it.
    prices = [(_price_in(bracket, side, entry_price, leverage, quantity), bracket) for bracket in brackets]
    return max(0.0, min(prices, key=lambda found: _outside(found[0] * quantity, found[1]))[0])


def _price_in(bracket: Bracket, side: Side, entry_price: float, leverage: float, quantity: float) -> float:
    rate, cumulative = bracket.maintenance_margin_rate, bracket.cumulative_usd / quantity
    if side == "long":
        return (entry_price * (1 - 1 / leverage) - cumulative) / (1 - rate)
    return (entry_price * (1 + 1 / leverage) + cumulative) / (1 + rate)


def _outside(notional_usd: float, bracket: Bracket) -> float:
    """By which factor a notional misses a bracket; 0 inside. The last bracket has no top."""
    if notional_usd < bracket.floor_usd:
        return math.inf if notional_usd <= 0 else math.log(bracket.floor_usd / notional_usd)
    return max(0.0, math.log(max(notional_usd, 1e-300) / bracket.cap_usd))


def _parse(text: str, name: str) -> BracketTable:
    try:
        content = json.loads(text)
        # A contract's name is its coin's, which counts before it where a file has both: USD are the same.
        by_name = sorted(content["symbols"].items(), key=lambda item: symbol_of(item[0]) == item[0])
        symbols = {
            symbol_of(name): tuple(Bracket(*(float(value) for value in row)) for row in rows)
            for name, rows in by_name
        }
        table = BracketTable(str(content["exchange"]), str(content["as_of"]), symbols)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise BracketsError(
            f'{name} is no bracket table; its form is {{"exchange", "as_of", "symbols": {{symbol: '
            f"[[floor, cap, rate, leverage, cumulative], ...]}}}} ({in_words(error)})"
        ) from None
    for symbol, brackets in table.symbols.items():
        _check(symbol, brackets, name)
    return table


def _check(symbol: str, brackets: tuple[Bracket, ...], name: str) -> None:
    symbol = in_one_line(symbol)
    if not brackets or brackets[0].floor_usd != 0:
        raise BracketsError(f"{name}: the brackets of {symbol} do not begin at 0 USD")
    for bracket in brackets:
        figures = (bracket.cap_usd, bracket.maintenance_margin_rate, bracket.max_leverage)
        if not (all(math.isfinite(figure) and figure > 0 for figure in figures) and figures[1] < 1):
            raise BracketsError(f"{name}: a bracket of {symbol} has a figure that is no positive number")
        if bracket.cap_usd > MOST_CAP_USD or bracket.max_leverage > MOST_LEVERAGE:
            raise BracketsError(f"{name}: a bracket of {symbol} has a figure no exchange can mean")
        if not (math.isfinite(bracket.cumulative_usd) and bracket.cap_usd > bracket.floor_usd):
            raise BracketsError(f"{name}: a bracket of {symbol} has no span or no cumulative amount")
    for lower, upper in pairwise(brackets):
        if lower.cap_usd != upper.floor_usd:
            raise BracketsError(f"{name}: the brackets of {symbol} leave a gap at {lower.cap_usd:g} USD")
