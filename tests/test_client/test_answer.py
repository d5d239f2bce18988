"""REST answers, read or refused in one sentence."""

from __future__ import annotations

import pytest

from liqstream.client.answer import read_answer
from liqstream.client.errors import ClientError


def test_an_answer_is_read_as_what_it_is_of() -> None:
    """Of the kind that is asked for."""
    assert read_answer(b'{"x": [1, 2]}', dict[str, list[int]], "figures") == {"x": [1, 2]}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"x": "1"}', b'{"x": [1', b'{"x\xff": [1]}', b"[" * 100_000]
)
def test_what_is_none_is_refused_by_name(body: bytes) -> None:
    """Nothing, a page, another shape, half of it, no UTF-8, nested without end."""
    with pytest.raises(ClientError, match="the server's figures cannot be read"):
        read_answer(body, dict[str, list[int]], "figures")
