"""The table of close codes states for every client whether to reconnect, and the client keeps to it."""

from __future__ import annotations

import pytest

from liqstream.client.reconnect import may_reconnect
from liqstream.wire.close_codes import CLOSE_CODES


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_the_client_reconnects_as_the_table_states(code: int) -> None:
    """For every code a server of ours may close with."""
    assert may_reconnect(code) == CLOSE_CODES[code].reconnect


@pytest.mark.parametrize(("code", "reconnects"), [(4321, True), (4499, True), (4500, False), (4999, False)])
def test_the_client_takes_unknown_codes_by_their_range(code: int, reconnects: bool) -> None:
    """A newer server's codes are understood too."""
    assert may_reconnect(code) is reconnects


@pytest.mark.parametrize("code", [code for code in CLOSE_CODES if code >= 4000])
def test_our_codes_state_by_their_range_whether_to_reconnect(code: int) -> None:
    """4000 to 4499 reconnect, 4500 to 4999 do not."""
    assert CLOSE_CODES[code].reconnect == (code < 4500)


def test_reasons_fit_a_control_frame() -> None:
    """At most 123 bytes."""
    assert all(len(code.reason.encode()) <= 123 for code in CLOSE_CODES.values())
