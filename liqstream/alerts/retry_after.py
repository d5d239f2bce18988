"""How long a receiver that is busy asks to wait before the next try (Retry-After)."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

MAX_WAIT_S = 60.0
"""However long a receiver asks to wait, the next try comes by then."""

_SECONDS = re.compile(r"([0-9]{1,9})[0-9]*(\.[0-9]{1,9})?")


def retry_after_s(text: str, now_s: float | None = None) -> float:
    """Seconds to wait by a Retry-After header: a number or a date; 0 for none and for what is neither."""
    number = _SECONDS.fullmatch(text)
    if number is not None:
        return float(number[1] + (number[2] or ""))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, at.timestamp() - (time.time() if now_s is None else now_s))
