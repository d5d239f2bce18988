"""When the client comes back, and how long it waits."""

from __future__ import annotations

import pytest

from liqstream.client.reconnect import BACKOFF_CAP_S, full_jitter, may_ask_again, may_reconnect
from liqstream.wire.close_codes import CLOSE_CODES, CloseCode


def test_the_ceiling_doubles_up_to_its_cap() -> None:
    """2, 4, 8, 16, 30, 30 s; however many tries there were."""
    ceilings = [full_jitter(attempt, lambda: 1.0) for attempt in (1, 2, 3, 4, 5, 1000)]
    assert ceilings == [2.0, 4.0, 8.0, 16.0, BACKOFF_CAP_S, BACKOFF_CAP_S]


def test_the_whole_wait_is_jitter() -> None:
    """Clients of a restarted server come back spread from nothing to the ceiling."""
    assert full_jitter(1, lambda: 0.0) == 0.0
    assert full_jitter(3, lambda: 0.25) == 2.0


@pytest.mark.parametrize("code", CLOSE_CODES.values(), ids=lambda code: str(code.code))
def test_close_codes_are_taken_as_the_servers_table_means_them(code: CloseCode) -> None:
    """The client's rule and the documented table agree on every code."""
    assert may_reconnect(code.code) == code.reconnect


def test_a_full_server_is_asked_again_and_a_wrong_token_is_not() -> None:
    """By the status of the refused handshake."""
    assert [status for status in (401, 403, 404, 429, 500, 503) if may_ask_again(status)] == [429, 500, 503]
