"""Room for every client that may come."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from liqstream.server.fd_limit import RESERVE, make_room_for


@pytest.fixture
def hard_limit() -> Iterator[int]:
    """The limit this process may raise its own to; what a test changes is put back."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield limits[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_limit_is_raised(hard_limit: int) -> None:
    """From what a shell gives to what the settings need."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard_limit))
    assert make_room_for(500) == 500
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 500 + RESERVE


def test_a_limit_that_is_enough_is_left_alone(hard_limit: int) -> None:
    """It is never lowered."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert make_room_for(1) == 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_what_does_not_fit_is_logged(hard_limit: int) -> None:
    """As many as the hard limit has room for."""
    if hard_limit == resource.RLIM_INFINITY:
        assert make_room_for(10_000) == 10_000
    else:
        assert make_room_for(hard_limit) == hard_limit - RESERVE
