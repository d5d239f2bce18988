"""What a rule says: its words, and why it could never be raised."""

from __future__ import annotations

import pytest

from liqstream.alerts.rules import MESSAGES, Kind, OwnedRule, Rule, example, short_usd


@pytest.mark.parametrize(
    ("usd", "text"),
    [(12_900_000, "$12.9M"), (999_600, "$1.00M"), (999_400, "$999K"), (9.994e9, "$9.99B"), (3.4, "$3")],
)  # fmt: skip
def test_an_amount_is_written_as_on_the_page(usd: float, text: str) -> None:
    """Three figures and a unit."""
    assert short_usd(usd) == text


@pytest.mark.parametrize("kind", MESSAGES)
def test_every_kind_has_words_for_file_and_page(kind: Kind) -> None:
    """They begin with the symbol; an example has every fact they are made of."""
    rule = Rule(name="r", kind=kind, to=[])
    for owner in ("", "a" * 64):
        assert OwnedRule(owner, rule).text(example(rule, "ETHUSDT")).startswith("ETHUSDT: ")


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (Rule(name="r", kind="price", to=[]), "a price rule needs its price"),
        (Rule(name="r", kind="price", to=[], price=1.0), "a price rule is of one symbol"),
        (Rule(name="r", kind="sweep", to=[], price=1.0), "only a price rule has a price"),
        (
            Rule(name="r", kind="price", to=[], price=1.0, symbol="BTCUSDT", min_percentile=9.0),
            "min_percentile compares clusters and cascades",
        ),
        (Rule(name="r", kind="cascade", to=[], min_percentile=9.0, window_s=90.0), "min_percentile of a cas"),
        (
            Rule(name="r", kind="cascade", to=[], min_percentile=9.0, window_s=7200.0),
            "min_percentile of a cascade takes a window_s of whole minutes",
        ),
        (Rule(name="r", kind="cascade", to=[], min_percentile=9.0, window_s=300.0), None),
        (Rule(name="r", kind="price", to=[], price=1.0, symbol="BTCUSDT"), None),
    ],
)
def test_a_rule_that_is_never_raised_is_a_problem(rule: Rule, problem: str | None) -> None:
    """In a sentence."""
    assert (rule.problem() or "").startswith(problem or "")
    assert (rule.problem() is None) == (problem is None)
