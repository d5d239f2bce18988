"""What the table of settings is made of: a field, and the types of values."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_settings import NoDecode

from liqstream.symbols import INTERVALS_MS

URL = r"^(https?://[^\s?#]+)?$"
"""An address of HTTP, or none."""
LEADERBOARD_URL = "https://stats-data.hyperliquid.xyz/Mainnet/leaderboard"
"""Hyperliquid's; undocumented, about 30 MB."""

PUSH_HELP = (
    "Alerts go to devices too, by Web Push; the value is whom push services may write to: "
    "mailto:you@example.com or https://example.com. Needs HTTPS and the extra push. Empty: off."
)
PUSH_HOSTS_HELP = (
    "Push hosts of your own (push.example.com, host:port, *.example.com), private ones too, beside those of "
    "browsers."
)

_CONTACT = re.compile(r"mailto:[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+|https://[^\s@/]+\.[^\s@/]+(/\S*)?")

RestUrl = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
WsUrl = Annotated[str, Field(pattern=r"^wss?://[^\s?#]+$")]
RegionName = Annotated[str, Field(pattern=r"^[a-z]{2,8}$")]

Names = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list."""

Duration = Annotated[str, Field(pattern=r"^[0-9]+[smhdw]$")]
"""A whole number and a unit: 90s, 15m, 12h, 3d, 2w."""


def _known_interval(value: str) -> str:
    if value not in INTERVALS_MS:
        raise ValueError(f"one of {', '.join(INTERVALS_MS)}")
    return value


Interval = Annotated[str, AfterValidator(_known_interval)]
"""A bar interval by its name, e.g. 5m."""


def _contact(value: str) -> str:
    if value and not _CONTACT.fullmatch(value):
        raise ValueError("whom push services may write to: mailto:you@example.com or https://example.com")
    return value


Contact = Annotated[str, AfterValidator(_contact)]
"""An address of a person, of mail or of a page, or none."""


def setting(env: str, default: Any, help_text: str, unit: str = "", **limits: Any) -> Any:
    """A field of the table: its variable, default, meaning, unit, and pydantic's limits."""
    return Field(
        default, validation_alias=env, description=help_text, json_schema_extra={"unit": unit}, **limits
    )
