"""What the table of settings is made of: a field, and the types of values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_settings import NoDecode

from liqstream.symbols import INTERVALS_MS

URL = r"^(https?://[^\s?#]+)?$"
"""An address of HTTP, or none."""
LEADERBOARD_URL = "https://stats-data.hyperliquid.xyz/Mainnet/leaderboard"
"""Hyperliquid's; undocumented, about 30 MB."""

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


def setting(env: str, default: Any, help_text: str, unit: str = "", **limits: Any) -> Any:
    """A field of the table: its variable, default, meaning, unit, and pydantic's limits."""
    return Field(
        default, validation_alias=env, description=help_text, json_schema_extra={"unit": unit}, **limits
    )
