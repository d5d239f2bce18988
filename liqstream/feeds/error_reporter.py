"""What is wrong with a feed: shown as long as it lasts, logged once however often it is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from liqstream.client.url_mask import masked
from liqstream.feeds.feed import FeedStatus
from liqstream.supervision.error_log import ErrorLog

log = structlog.get_logger(__name__)

_SAMPLE_FIRST, _SAMPLE_EVERY = 3, 1000
SHOWN = 5
"""Problems named in `last_error`; of more, their number."""


class ErrorReporter:
    """Keeps `last_error` and `next_try_ms` of a status, and the log, by the problems there are now.

    A problem is what is wrong with one thing (a socket, a topic, a symbol's past) until that works again.
    """

    def __init__(self, exchange: str, status: FeedStatus, now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self._status = status
        self._now_ms = now_ms  # UTC
        self._problems: dict[str, tuple[str, int | None]] = {}
        self._notes: dict[str, str] = {}
        self._errors = ErrorLog(lambda: now_ms() / 1000)

    def report(self, thing: str, problem: str, retry_s: float | None = None) -> None:
        """`thing` does not work, for this reason, and is tried again in `retry_s`."""
        problem = masked(" ".join(problem.split()))
        known = self._problems.pop(thing, ("", None))[0]
        next_ms = None if retry_s is None else self._now_ms() + round(retry_s * 1000)
        self._problems[thing] = (problem, next_ms)
        self._show()
        if problem != known:
            log.warning("feed trouble", exchange=self._exchange, about=thing, reason=problem)

    def report_unforeseen(self, thing: str, error: BaseException, retry_s: float) -> None:
        """`report` what nobody foresaw, with its traceback in the log."""
        self._errors.report("feed job failed", error, exchange=self._exchange, task=thing)
        self.report(thing, f"{thing}: {error!r}", retry_s)

    def clear(self, thing: str) -> None:
        """`thing` works, or is not wanted any more."""
        if self._problems.pop(thing, None) is not None:
            self._show()
            log.info("feed trouble is over", exchange=self._exchange, about=thing)

    def show(self, prefix: str, problems: Mapping[str, str], retry_s: float) -> None:
        """Of all things whose name begins with `prefix`, these do not work, and no others."""
        for thing in [thing for thing in self._problems if thing.startswith(prefix)]:
            if thing.removeprefix(prefix) not in problems:
                self.clear(thing)
        for thing, problem in problems.items():
            self.report(f"{prefix}{thing}", problem, retry_s)

    @property
    def connected(self) -> bool:
        """Whether the feed's sockets carry data."""
        return self._status.connected

    def note(self, about: str, text: str) -> None:
        """What is worth knowing and no fault; "" for nothing. The first of each is logged."""
        if text and not self._notes.get(about):
            log.warning("feed note", exchange=self._exchange, about=about, note=text)
        self._notes[about] = text
        self._status.note = "; ".join(filter(None, self._notes.values()))

    def has(self, thing: str) -> bool:
        """Whether `thing` does not work."""
        return thing in self._problems

    def _show(self) -> None:
        texts = list(dict.fromkeys(problem for problem, _ in reversed(self._problems.values())))
        more = f" (and {len(texts) - SHOWN} more)" if len(texts) > SHOWN else ""
        self._status.last_error = "; ".join(texts[:SHOWN]) + more
        times = [next_ms for _, next_ms in self._problems.values() if next_ms is not None]
        self._status.next_try_ms = min(times, default=None)

    def count_unreadable(self, thing: str, error: Exception, retry_s: float | None = None) -> None:
        """A REST response could not be read: counted as a bad message, and reported."""
        self._status.bad_messages += 1
        self.report(thing, f"{thing}: an answer could not be read: {error!r}", retry_s)

    def sample(self, what: str, count: int, text: str, **more: str) -> None:
        """Log the `count`th of its kind if it is one of the first, or after many."""
        if count <= _SAMPLE_FIRST or count % _SAMPLE_EVERY == 0:
            log.warning(what, exchange=self._exchange, count=count, text=text[:300], **more)
