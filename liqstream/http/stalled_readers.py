"""Readers of long responses who take nothing: they are dropped and counted, so that none holds a place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from liqstream.admission.policy import ADMISSION, RefusalReason

STALLED_S = 30.0
"""A write that waits for longer raises TimeoutError (`asyncio.wait_for`) and ends the response."""


def abort(request: web.Request) -> None:
    """End the connection without the rest of the response, which tells the reader that it is not whole."""
    if request.transport is not None:
        request.transport.abort()


@contextmanager
def dropping_stalled_readers(request: web.Request) -> Iterator[None]:
    """Around the writes of a response: TimeoutError drops and counts the reader, one who left is no error."""
    try:
        yield
    except TimeoutError:
        request.app[ADMISSION].count(RefusalReason.STALLED)
        abort(request)
    except ConnectionResetError:
        pass  # the client has left
