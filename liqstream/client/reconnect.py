"""When to come back after a connection ended, and how long to wait."""

from __future__ import annotations

import random
from collections.abc import Callable

BACKOFF_BASE_S = 2.0
BACKOFF_CAP_S = 30.0
LONGEST_WAIT_S = 60.0
"""However long a server asks to be left alone."""
# close codes: made by `make docs` from the server's own table
_FINAL = frozenset({1000, 1002, 1007, 1008, 1009, 4500, 4501, 4502})
# /close codes
_FINAL_FROM, _FINAL_TO = 4500, 4999
"""Codes of servers to come that rule out another try, too."""
_FINAL_HTTP = frozenset({400, 401, 403, 404, 405, 426})


def full_jitter(attempt: int, uniform: Callable[[], float] = random.random) -> float:
    """Seconds to wait before try number `attempt` (1 is the first after a loss).

    Anything from nothing to a ceiling that doubles from 2 s to 30 s: a thousand clients of a restarted server
    must not come back in one moment.
    """
    ceiling_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 10))
    return uniform() * ceiling_s


def may_reconnect(close_code: int) -> bool:
    """Whether a connection that was closed with this code is worth another try."""
    return close_code not in _FINAL and not _FINAL_FROM <= close_code <= _FINAL_TO


def may_ask_again(http_status: int, challenge: str = "", *, is_first: bool = True) -> bool:
    """Whether a refused handshake is worth another try: a full server is, a wrong token is not.

    Once a connection has worked, only a 401 that wants a bearer token (`challenge` is its WWW-Authenticate)
    is the server's own word: a proxy answers anything while what is behind it is replaced.
    """
    if is_first:
        return http_status not in _FINAL_HTTP
    return http_status != 401 or challenge.split(maxsplit=1)[:1] not in (["Bearer"], ["bearer"])
