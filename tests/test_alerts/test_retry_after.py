"""A number of seconds or a date, of whatever a receiver writes."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from liqstream.alerts.retry_after import retry_after_s

NOW_S = 1_767_323_045.0


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("\u0663", 0),
        ("1e9", 0),
        ("nan", 0),
        ("30", 30),
        ("1.5", 1.5),
        (formatdate(NOW_S + 60, usegmt=True), 60),
        (formatdate(NOW_S - 60, usegmt=True), 0),
        ("9" * 400, 999_999_999),
    ],
)
def test_how_long_an_answer_asks_to_wait(text: str, wait_s: float) -> None:
    assert retry_after_s(text, NOW_S) == wait_s
