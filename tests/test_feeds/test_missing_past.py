"""What is missing stays known until it is fetched, over restarts too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from liqstream.feeds.missing_past import LONGEST_MS, MissingPast


def test_spans_that_touch_are_one() -> None:
    """Each symbol and kind has its own; an empty span is none."""
    missing = MissingPast()
    for start, end in ((10, 20), (30, 40), (20, 25), (40, 40)):
        missing.add("BTCUSDT", "bars", start, end)
    missing.add("ETHUSDT", "funding", 1, 2)
    assert missing.spans("BTCUSDT", "bars") == [(10, 25), (30, 40)]
    assert missing.spans("BTCUSDT", "funding") == []
    assert missing.symbols() == {"BTCUSDT", "ETHUSDT"}


def test_what_is_fetched_is_forgotten() -> None:
    """Page by page; a newer span is not touched by the pages of an older one."""
    missing = MissingPast()
    missing.add("BTCUSDT", "bars", 10, 30)
    missing.add("BTCUSDT", "bars", 50, 60)
    missing.fetched("BTCUSDT", "bars", 20, 30)
    assert missing.spans("BTCUSDT", "bars") == [(20, 30), (50, 60)]
    missing.fetched("BTCUSDT", "bars", 30, 30)
    missing.fetched("BTCUSDT", "bars", 60, 60)
    assert missing.symbols() == set()


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100))))
def test_it_comes_back_from_the_file_as_it_was(spans: list[tuple[int, int]]) -> None:
    """Every moment that was added is in exactly one span."""
    missing = MissingPast()
    for span in spans:
        missing.add("BTCUSDT", "bars", *span)
    again = MissingPast.from_document(missing.to_document(), ("BTCUSDT",))
    found = [at for start, end in again.spans("BTCUSDT", "bars") for at in range(start, end)]
    assert found == sorted({at for start, end in spans for at in range(start, end)})


def test_what_is_not_of_its_form_is_left_out() -> None:
    """A file that somebody has edited stops nothing; symbols that are not followed are left out."""
    odd = [[1, 2], [3], "x", ["1", 2], [-5, 2], [0, 2**62], [7, LONGEST_MS + 8]]
    of_btc = {"bars": odd, "gold": [[1, 2]], "funding": 7, "open_interest": {"1": 2}}
    document = {"BTCUSDT": of_btc, "ETHUSDT": 7, "X": {}}
    missing = MissingPast.from_document(document, ("BTCUSDT", "ETHUSDT"))
    assert missing.to_document() == {"BTCUSDT": {"bars": [[1, 2]]}}


def test_what_is_of_the_future_is_forgotten() -> None:
    """It would be asked for for ever; of a span that begins before, its first part is left."""
    missing = MissingPast()
    for start, end in ((10, 20), (30, 60), (70, 80)):
        missing.add("BTCUSDT", "bars", start, end)
    missing.add("BTCUSDT", "funding", 70, 80)
    missing.add("ETHUSDT", "bars", 70, 80)
    missing.forget_later("BTCUSDT", 50)
    assert missing.to_document() == {
        "BTCUSDT": {"bars": [[10, 20], [30, 50]]},
        "ETHUSDT": {"bars": [[70, 80]]},
    }
