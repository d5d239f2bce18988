"""When to come back after a connection ended, and how long to wait."""

from __future__ import annotations

import random
from collections.abc import Callable

BACKOFF_BASE_S = 2.0
BACKOFF_CAP_S = 30.0
_NEVER_AGAIN = frozenset({1000, 1002, 1007, 1008, 1009, *range(4500, 5000)})
"""Close codes that rule out another try (docs/websocket_api.md, close codes)."""
_NEVER_AGAIN_HTTP = frozenset({400, 401, 403, 404, 405, 426})


def full_jitter(attempt: int, uniform: Callable[[], float] = random.random) -> float:
    """Seconds to wait before try number `attempt` (1 is the first after a loss).

    Anything from nothing to a ceiling that doubles from 2 s to 30 s: a thousand clients of a restarted server
    must not come back in one moment.
    """
    ceiling_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 10))
    return uniform() * ceiling_s


def may_reconnect(close_code: int) -> bool:
    """Whether a connection that was closed with this code is worth another try."""
    return close_code not in _NEVER_AGAIN


def may_ask_again(http_status: int) -> bool:
    """Whether a refused handshake is worth another try: a full server is, a wrong token is not."""
    return http_status not in _NEVER_AGAIN_HTTP
