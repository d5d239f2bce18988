"""A request is found by its id, and an error that names none concerns all that wait."""

from __future__ import annotations

import pytest

from liqstream.client.messages import ErrorMessage, SubscribedMessage
from liqstream.client.pending_requests import PendingRequests, ResyncPace, lists_of


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])]
)
def test_lists_hold_at_most_ten(count: int, sizes: list[int]) -> None:
    """In the order given."""
    names = [str(number) for number in range(count)]
    lists = lists_of(names)
    assert [len(each) for each in lists] == sizes
    assert [name for each in lists for name in each] == names


def test_an_ack_answers_its_request() -> None:
    """Once; what it leaves out was refused."""
    requests = PendingRequests()
    first, second = requests.add(["A", "B"]), requests.add(["C"])
    ack = SubscribedMessage(symbols=["A"], update_interval=1, id=first)
    assert requests.refused_by(ack) == (["A", "B"], ["B"])
    assert requests.refused_by(ack) == ([], [])
    assert requests.concerned_by(ErrorMessage(code="INVALID_SYMBOL", id=second)) == ["C"]
    assert requests.clear() == []


def test_an_error_without_a_place_concerns_all_that_wait() -> None:
    """One of another message concerns none."""
    requests = PendingRequests()
    requests.add(["A"])
    requests.add(["B"])
    assert requests.concerned_by(ErrorMessage(code="INVALID_MESSAGE", id=99)) == []
    assert requests.concerned_by(ErrorMessage(code="INVALID_MESSAGE")) == ["A", "B"]


def test_resyncs_are_ten_at_once_and_then_one_a_second() -> None:
    """However long nothing was asked before."""
    pace = ResyncPace()
    assert [pace.wait_s(100.0) for _ in range(12)] == [0.0] * 10 + [1.0] * 2
    assert [pace.wait_s(at) for at in (100.5, 101.0, 101.0)] == [0.5, 0.0, 1.0]
    assert [pace.wait_s(9000.0) for _ in range(11)] == [0.0] * 10 + [1.0]
