"""Times in settings and options."""

from __future__ import annotations

import pytest

from liqstream.settings.utc_time import utc_ms


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2026-03-29", 1_774_742_400_000),
        ("2026-03-29T00:55", 1_774_745_700_000),
        ("2026-03-29T00:55:00.250Z", 1_774_745_700_250),
        ("2026-03-29T02:55+02:00", 1_774_745_700_000),
        ("1774745700000", 1_774_745_700_000),
    ],
)
def test_a_time_without_a_zone_is_utc(text: str, expected_ms: int) -> None:
    """Whatever the zone of the computer; milliseconds are taken as they are."""
    assert utc_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["", "now", "29.3.2026", "2026-13-01", "123"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    """The sentence shows what one looks like."""
    with pytest.raises(ValueError, match="2026-01-31"):
        utc_ms(text)
