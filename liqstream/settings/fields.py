"""What the table of settings is made of: a field, and the types of values."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import NoDecode

from liqstream.symbols import INTERVALS_MS

URL = r"^(https?://[^\s?#]+)?$"
"""An address of HTTP, or none."""
BARE_URL = r"^(https?://[^\s/?#]+/?)?$"
"""One without a path, or none."""
PROXY_URL = r"^(https?://[^\s]+)?$"
CHANNEL_PREFIX = r"^[A-Za-z0-9_.:-]{1,64}$"
_REST_URL, _WS_URL = r"^https?://[^\s?#]+$", r"^wss?://[^\s?#]+$"
_ONE_WORD, _REGION, _DURATION = r"^\S*$", r"^[a-z]{2,8}$", r"^[0-9]+[smhdw]$"
PATTERNS = {
    URL: "an http:// or https:// address without a query, e.g. http://127.0.0.1:3001, or empty",
    BARE_URL: "an http:// or https:// address without a path, e.g. http://producer:8000, or empty",
    PROXY_URL: "the http:// or https:// address of a proxy, e.g. http://proxy:3128, or empty",
    CHANNEL_PREFIX: "1 to 64 letters, digits or any of _ . : -",
    _REST_URL: "an http:// or https:// address without a query, e.g. https://example.com/api",
    _WS_URL: "a ws:// or wss:// address without a query, e.g. wss://example.com/stream",
    _ONE_WORD: "an address without white space, e.g. redis://localhost:6379/0",
    _REGION: "the name of a region, 2 to 8 small letters, e.g. eea",
    _DURATION: "a whole number and a unit, e.g. 90s, 15m, 12h, 3d, 2w",
}
"""What each pattern of a setting asks for, in words."""
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


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_address = not value or (bool(parts.hostname) and parts.port != 0)
    except ValueError:
        is_address = False
    if not is_address:
        raise ValueError(
            "an address with a host, and a port below 65536 if any, e.g. https://example.com:8443"
        )
    return value


Address = Annotated[str, AfterValidator(_address)]
"""A URL that can be asked, or none; its pattern says of which scheme."""
RestUrl = Annotated[Address, Field(pattern=_REST_URL)]
WsUrl = Annotated[Address, Field(pattern=_WS_URL)]
OneWord = Annotated[str, Field(pattern=_ONE_WORD)]
RegionName = Annotated[str, Field(pattern=_REGION)]


def _file_path(value: Path) -> Path:
    try:
        is_named = bool(value.name) and bool(os.fspath(value).encode())
    except UnicodeError:
        is_named = False
    if not is_named:
        raise ValueError("the path of a file, e.g. data/liqstream.duckdb")
    return value


FilePath = Annotated[Path, AfterValidator(_file_path)]
"""A file, there or not."""


def _host(value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError:
        raise ValueError("a host's name or address, e.g. 0.0.0.0") from None
    return value


Host = Annotated[str, AfterValidator(_host)]
"""What a server may listen on."""

Names = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list."""

Duration = Annotated[str, Field(pattern=_DURATION)]
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
