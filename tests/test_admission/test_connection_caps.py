"""How many may be in at once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqstream.admission.connection_caps import CapReachedError, ConnectionCaps


def test_one_address_cannot_take_all_slots() -> None:
    """Its cap is reached while another address still comes in."""
    caps = ConnectionCaps(total=10, per_address=2)
    with ExitStack() as held:
        held.enter_context(caps.slot("a"))
        held.enter_context(caps.slot("a"))
        with pytest.raises(CapReachedError) as refused, caps.slot("a"):
            pass
        assert refused.value.cap == "address"
        held.enter_context(caps.slot("b"))
        assert caps.open == 3
    assert (caps.open, caps.addresses) == (0, 0)


def test_the_server_is_full() -> None:
    """Whoever comes after the last slot is refused; a slot given back is taken again."""
    caps = ConnectionCaps(total=1)
    with caps.slot("a"), pytest.raises(CapReachedError) as refused, caps.slot("b"):
        pass
    assert refused.value.cap == "server"
    with caps.slot("b"):
        assert caps.open == 1


def test_a_place_is_given_back_after_an_error() -> None:
    """Whatever ends the connection."""
    caps = ConnectionCaps(total=1)
    with pytest.raises(ConnectionResetError), caps.slot("a"):
        raise ConnectionResetError
    assert caps.open == 0


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 8), st.integers(0, 4))
def test_the_caps_hold(callers: list[str], total: int, per_address: int) -> None:
    """Never more than the caps, and never fewer than there is room for."""
    caps = ConnectionCaps(total, per_address)
    with ExitStack() as held:
        inside: list[str] = []
        for caller in callers:
            room = len(inside) < total and (not per_address or inside.count(caller) < per_address)
            try:
                held.enter_context(caps.slot(caller))
                inside.append(caller)
                assert room
            except CapReachedError:
                assert not room
        assert caps.open == len(inside)
    assert (caps.open, caps.addresses) == (0, 0)
