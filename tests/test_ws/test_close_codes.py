"""The table of close codes tells every client whether to come back."""

from __future__ import annotations

import pytest

from liqstream.ws.close_codes import CLOSE_CODES, should_reconnect


@pytest.mark.parametrize("code", [code for code in CLOSE_CODES if code >= 4000])
def test_our_codes_say_by_their_range_whether_to_reconnect(code: int) -> None:
    """4000 to 4499 come back, 4500 to 4999 do not."""
    assert should_reconnect(code) == (code < 4500)


@pytest.mark.parametrize(
    ("code", "back"), [(1000, False), (1001, True), (1006, True), (1008, False), (1012, True)]
)
def test_common_codes(code: int, back: bool) -> None:
    """A restart is worth returning for, a policy is not."""
    assert should_reconnect(code) is back


@pytest.mark.parametrize(("code", "back"), [(4321, True), (4777, False)])
def test_unknown_codes_go_by_their_range(code: int, back: bool) -> None:
    """A newer server's codes are understood too."""
    assert should_reconnect(code) is back


def test_reasons_fit_a_control_frame() -> None:
    """At most 123 bytes."""
    assert all(len(code.reason.encode()) <= 123 for code in CLOSE_CODES.values())
