"""The log lines of refusals an operator can cure: each cause now and then, all together not too many."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import structlog

from liqstream.admission.rate_limit import KeyedLimiter, TokenBucket

_EVERY_S = 600.0
_BURST = 10
_RATE_PER_S = 0.1
_MAX_CAUSES = 1000

_log = structlog.get_logger(__name__)


class RefusalLog:
    """Warns of each cause at most every ten minutes. Clients make causes up, so their sum is bounded too."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._causes = KeyedLimiter(1 / _EVERY_S, 1, max_keys=_MAX_CAUSES, clock=clock)
        self._all = TokenBucket(_RATE_PER_S, _BURST, clock)

    def report(self, event: str, cause: str, **values: object) -> None:
        """Write the line, unless one of the same cause or too many others were written lately."""
        if self._causes.take(f"{event} {cause}") == 0 and self._all.take() == 0:
            _log.warning(event, **values)
