"""The body of a REST answer, read into what it is of."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from .errors import ClientError
from .messages import UNREADABLE

T = TypeVar("T")


def read_answer(body: bytes, kind: type[T], what: str) -> T:
    """`body` as a `kind`. Raises ClientError, which names `what` it is of, for anything else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise ClientError(f"the server's {what} cannot be read: {error}") from None
