"""What a rule says: its words, and why it could never be raised."""

from __future__ import annotations

import pytest

from liqstream.alerts.rules import FIGURES, MESSAGES, Kind, OwnedRule, Rule, example, misfit, short_usd


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


@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_of_another_kind_means_nothing(kind: Kind) -> None:
    """It is named, and what the rule has instead; its own and what every rule has are taken."""
    everything = ["name", "symbol", "min_usd", "min_percentile", "within_percent", "window_s", "price", "to"]
    own = set(FIGURES[kind])
    found = misfit(kind, everything) or ""
    named, has = found.partition(" has no ")[2].split("; it has ")
    assert own.isdisjoint(named.split(" and no "))
    assert set(has.split(", ")) == own | {"cooldown_s"}
    assert misfit(kind, ["name", "kind", "to", "symbol", "message", "cooldown_s", *own]) is None
    assert misfit("price", ["window_s", "min_percentile"]) == (
        "a rule of kind price has no window_s and no min_percentile; it has price, cooldown_s"
    )
