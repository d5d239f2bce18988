"""What the names of Binance's archives say: SYMBOL[_SUFFIX]-KIND-..., in folders such as futures/um/klines.

Names and folders decide only in that form; a file with a name of the user's own may lie anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from liqstream.file_import.files import ArchiveError
from liqstream.symbols import INTERVALS_MS

_NAME = re.compile(
    r"(?P<symbol>[^\W_]{3,20})(?P<suffix>_[A-Za-z0-9]+)?"
    r"-(?P<kind>(?P<interval>\d+[mhd])|metrics|liquidationSnapshot|fundingRate|trades|aggTrades|book\w+)"
    r"-(?P<date>\d{4}-\d{2}(?:-\d{2})?)"
)

_OTHER_MARKETS = {
    "cm": "COIN-M contracts, whose amounts are not in the base coin",
    "spot": "the spot market",
    "option": "options",
}
_OTHER_PRICES = {
    "markpriceklines": "mark prices",
    "indexpriceklines": "index prices",
    "premiumindexklines": "premiums",
}


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """A file's name in the archives' form; `interval_ms` is None where it has no bars, `date_ms` is UTC."""

    symbol: str
    interval_ms: int | None
    date_ms: int


def archive_name(path: Path) -> ArchiveName | None:
    """The name's parts; None for a name of another form. Raises ArchiveError for a market we do not keep."""
    name = _NAME.match(path.name)
    if name is None:
        return None
    folders = {part.lower() for part in path.absolute().parent.parts}
    for folder, what in (_OTHER_MARKETS | _OTHER_PRICES).items():
        if folder in folders:
            raise ArchiveError(
                f"by its folder {folder} it is of {what}; bars of a USDT or USDC perpetual are needed"
            )
    symbol = name["symbol"].upper()
    if name["suffix"] or not symbol.endswith(("USDT", "USDC")):
        raise ArchiveError(
            f"by its name it is of {name['symbol']}{name['suffix'] or ''}, which is no USDT or USDC perpetual"
        )
    return ArchiveName(symbol, INTERVALS_MS.get(name["interval"] or ""), _first_day_ms(name["date"]))


def _first_day_ms(date: str) -> int:
    """UTC ms of a day or of a month's first. Raises ArchiveError."""
    try:
        day = datetime.fromisoformat(date if date.count("-") > 1 else f"{date}-01")
    except ValueError:
        raise ArchiveError(f"its name has {date} for a date") from None
    return round(day.replace(tzinfo=UTC).timestamp() * 1000)


def check_member(path: Path, member: str) -> None:
    """See to it that a zip in the archives' form holds what its name says, also in folders of its own.

    What stands behind the name, such as a browser's (1), says nothing. Raises ArchiveError.
    """
    inner = path.parent / member
    if archive_name(inner) is not None and _NAME.match(path.name) and _parts(inner) != _parts(path):
        raise ArchiveError(f"it holds {inner.name}, not {path.stem}.csv")


def _parts(path: Path) -> list[str]:
    name = _NAME.match(path.name)
    return [(part or "").upper() for part in name.groups()] if name else []
