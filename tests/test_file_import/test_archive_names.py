"""liqstream/file_import/archive_names.py: what the names of archives say."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.file_import.archive_names import archive_name, check_member
from liqstream.file_import.files import ArchiveError


def test_the_parts_of_a_name() -> None:
    """Symbol, interval and first day; names of the user's own have none."""
    monthly, daily = (
        archive_name(Path(name)) for name in ("BTCUSDT-5m-2026-05.zip", "ETHUSDC-metrics-2026-05-02.csv")
    )
    assert monthly is not None
    assert daily is not None
    assert (monthly.symbol, monthly.interval_ms, monthly.date_ms) == ("BTCUSDT", 300_000, 1_777_593_600_000)
    assert (daily.symbol, daily.interval_ms, daily.date_ms) == ("ETHUSDC", None, 1_777_680_000_000)
    for own in ("btc_1h_price_oi_liquidations_20251204_20260401.csv", "BTCUSDT.csv", "BTCUSD_PERP.csv"):
        assert archive_name(Path(own)) is None
    with pytest.raises(ArchiveError, match="2026-13"):
        archive_name(Path("BTCUSDT-5m-2026-13.zip"))


def test_a_member_is_named_as_its_zip() -> None:
    """If it has a name of the archives' form at all."""
    check_member(Path("mine.zip"), "data.csv")
    check_member(Path("BTCUSDT-5m-2026-05.zip"), "data.csv")
    check_member(Path("BTCUSDT-5m-2026-05.zip"), "BTCUSDT-5m-2026-05.csv")
    with pytest.raises(ArchiveError, match="it holds"):
        check_member(Path("BTCUSDT-5m-2026-05.zip"), "BTCUSDT-5m-2026-06.csv")
