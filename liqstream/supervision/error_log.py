"""Unforeseen errors in the log: the same one has one line with a traceback in ten minutes, however often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

SAME_FOR_S = 600.0
MAX_KINDS = 200
"""Kinds of error that are remembered; beyond it the oldest is forgotten, and would be logged once more."""

log = structlog.get_logger(__name__)


LONGEST_LINE = 300
"""Characters of text that is not ours in an error."""


@dataclass(slots=True)
class _Kind:
    """One kind of error: when it was logged last (monotonic s), and how often it came since."""

    logged_s: float
    unlogged: int = 0


class ErrorLog:
    """`clock_s` is monotonic, in s; without a running loop it may not be asked, so only `report` asks it."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._kinds: dict[tuple[str, type[BaseException], str], _Kind] = {}

    def report(self, event: str, error: BaseException, **fields: Any) -> None:
        """Log `event` with the traceback of `error`, unless the same one was logged in the last ten minutes.

        The same: of the same type, raised at the same place, under the same event and name. `unlogged` says
        how often it came since the last line.
        """
        key = (f"{event} {fields.get('task', '')}", type(error), _place(error))
        now_s = self._clock_s()
        kind = self._kinds.pop(key, None)
        if kind is not None and now_s - kind.logged_s < SAME_FOR_S:
            kind.unlogged += 1
        else:
            unlogged = {} if kind is None else {"unlogged": kind.unlogged}
            log.error(event, reason=in_words(error), **fields, **unlogged, exc_info=error)
            kind = _Kind(now_s)
        self._kinds[key] = kind  # last: the first is the one not seen for longest
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[next(iter(self._kinds))]


def in_words(error: BaseException) -> str:
    """Type and first line of an error."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def in_one_line(text: str) -> str:
    """Text of others' making as it may stand in an error: in one line of bearable length, printable."""
    line = " ".join(text[: 2 * LONGEST_LINE].split())
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}..."


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
