"""What is wrong with a feed, told once however often it is met."""

from __future__ import annotations

import structlog

from liqstream.feeds.feed import FeedStatus

log = structlog.get_logger(__name__)

_SAMPLE_FIRST, _SAMPLE_EVERY = 3, 1000


class Troubles:
    """Keeps `status.last_error` and the log; a problem is told again only after the feed was well."""

    def __init__(self, exchange: str, status: FeedStatus) -> None:
        self._exchange = exchange
        self._status = status
        self._lasting = ""
        self._told: set[str] = set()

    def tell(self, problem: str) -> None:
        """Something is wrong now."""
        self._status.last_error = problem
        if problem not in self._told:
            log.warning("feed trouble", exchange=self._exchange, reason=problem)
            self._told.add(problem)

    def tell_for_good(self, problem: str) -> None:
        """Something is wrong that will not pass."""
        self._lasting = problem
        self.tell(problem)

    def are_over(self) -> None:
        """The feed is heard; what will not pass is still its last error."""
        if self._told and self._status.reconnects:
            log.info("feed is well again", exchange=self._exchange, reconnects=self._status.reconnects)
        self._told.clear()
        self._status.last_error = self._lasting

    def sample(self, what: str, count: int, text: str, **more: str) -> None:
        """Log the `count`th of its kind if it is one of the first, or after many."""
        if count <= _SAMPLE_FIRST or count % _SAMPLE_EVERY == 0:
            log.warning(what, exchange=self._exchange, count=count, text=text[:300], **more)
