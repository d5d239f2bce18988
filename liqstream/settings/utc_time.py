"""Times as people write them in settings and options."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def utc_ms(text: str) -> int:
    """Epoch ms of a date, a date and time (UTC unless it names a zone), or epoch ms in 12 to 14 digits.

    Raises ValueError that says what a time looks like.
    """
    if re.fullmatch(r"[0-9]{12,14}", text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        time_ms = int(utc.timestamp() * 1000)
    except (ValueError, OverflowError):
        time_ms = -1
    if time_ms < 0:
        raise ValueError(f"{text!r} is no time; a UTC date (2026-01-31), date and time, or epoch ms")
    return time_ms


def _checked(text: str) -> str:
    if text:
        utc_ms(text)
    return text


OptionalTime = Annotated[str, AfterValidator(_checked)]
"""A setting that is a time or empty."""
