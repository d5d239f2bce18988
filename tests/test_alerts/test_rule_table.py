"""Rules in tables: found by kind and symbol, moved when they change, quiet by rule, symbol and side."""

from __future__ import annotations

import numpy as np

from liqstream.alerts.rule_table import RuleBook
from liqstream.alerts.rules import Kind, OwnedRule, Rule


def rule(name: str, kind: Kind = "sweep", symbol: str = "*", cooldown_s: float = 60.0) -> OwnedRule:
    return OwnedRule("a", Rule(name=name, kind=kind, to=[], symbol=symbol, cooldown_s=cooldown_s))


def test_a_rule_is_in_the_table_of_its_kind_and_symbol() -> None:
    """Also after it has become one of another kind."""
    book = RuleBook([rule("1"), rule("2", symbol="BTCUSDT"), rule("3", "cascade")])

    def names(kind: Kind, symbol: str) -> list[str]:
        return [each.rule.name for table in book.tables(kind, symbol) for each in table.rules]

    assert (names("sweep", "BTCUSDT"), names("sweep", "ETHUSDT")) == (["2", "1"], ["1"])
    book.put(rule("1", "cascade"))
    book.remove(("a", "3"))
    book.remove(("a", "never"))
    assert (names("sweep", "ETHUSDT"), names("cascade", "ETHUSDT"), len(book)) == ([], ["1"], 2)


def test_a_cooldown_is_of_a_rule_a_symbol_and_a_side() -> None:
    """It ends with its time, and stays when rules before it go."""
    book = RuleBook([rule("1"), rule("2")])
    (table,) = book.tables("sweep", "BTCUSDT")
    table.begin_cooldown("BTCUSDT", "long", 1, 0.0)
    every = np.ones(2, dtype=np.bool_)
    assert table.due("BTCUSDT", "long", every, 59.0) == [0]
    assert table.due("BTCUSDT", "short", every, 59.0) == [0, 1]
    assert table.due("ETHUSDT", "long", every, 59.0) == [0, 1]
    book.remove(("a", "1"))
    (table,) = book.tables("sweep", "BTCUSDT")
    assert [table.due("BTCUSDT", "long", every[:1], now_s) for now_s in (59.0, 60.0)] == [[], [0]]
