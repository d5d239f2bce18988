"""The pool of sockets that owe a token."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from liqstream.admission.pending_sockets import PendingFullError, PendingSockets


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_full_pool_lets_the_oldest_go() -> None:
    """If it has had its second; else the newcomer is sent away, and nobody leaves."""
    clock = Clock()
    pool = PendingSockets(total=2, per_address=2, clock=clock)
    with ExitStack() as stack:
        first = stack.enter_context(pool.slot("a"))
        clock.now_s = 0.5
        second = stack.enter_context(pool.slot("b"))
        with pytest.raises(PendingFullError), pool.slot("c"):
            pass
        clock.now_s = 1.0
        third = stack.enter_context(pool.slot("c"))
        assert [each.must_leave.is_set() for each in (first, second, third)] == [True, False, False]
        assert len(pool) == 2
        with pytest.raises(PendingFullError), pool.slot("d"):
            pass
    assert len(pool) == 0


def test_an_address_has_its_share() -> None:
    """The oldest of its own leaves, though others are older."""
    clock = Clock()
    pool = PendingSockets(total=10, per_address=2, clock=clock)
    with ExitStack() as stack:
        other = stack.enter_context(pool.slot("b"))
        own = [stack.enter_context(pool.slot("a")) for _ in range(2)]
        with pytest.raises(PendingFullError), pool.slot("a"):
            pass
        clock.now_s = 1.0
        stack.enter_context(pool.slot("a"))
        assert [each.must_leave.is_set() for each in (other, *own)] == [False, True, False]


def test_who_has_shown_its_token_is_in_nobody_s_way() -> None:
    """And may be taken out more than once."""
    pool = PendingSockets(total=1, clock=lambda: 0.0)
    with pool.slot("a") as first:
        pool.remove(first)
        with pool.slot("a"):
            assert len(pool) == 1
    assert len(pool) == 0
    assert not pool._by_address
