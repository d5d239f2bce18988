"""Tests pass on any day: nothing they see of a simulated market depends on when they run."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.market_start import INSTANTS

BERLIN = ZoneInfo("Europe/Berlin")
TESTS = Path(__file__).resolve().parent
STARTS_A_MARKET = re.compile(
    r"\"--demo\"|\bdemo\(|\"simulate\"|simulated_exchange\(|SimulatedMarket\(|DemoFeed\("
    r"|exchange_rig import (?:\([^)]*|[^\n]*)\brig\b"
)
NOT_FIVE_TIMES = {
    # They start one to see that it starts: in the image, from the wheel, or not at all.
    *("test_image.py", "test_packaging.py", "test_operations.py", "test_server/test_run.py"),
    # A statistic of fixed days, which no clock can change; on other days it would be another one.
    *("test_known_positions.py", "test_measured_stored.py"),
    Path(__file__).name,
}


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.name)
def test_every_test_of_a_simulated_market_runs_at_every_instant(path: Path) -> None:
    """Whatever starts one is marked for `make test-instants`."""
    text = path.read_text()
    exempt = NOT_FIVE_TIMES & {path.name, path.relative_to(TESTS).as_posix()}
    if not exempt and STARTS_A_MARKET.search(text):
        assert "mark.simulated" in text


def test_no_test_reads_the_calendar() -> None:
    """A date compared with today's makes a test that fails one day."""
    calendar = re.compile(r"\b(date\.today|datetime\.now|datetime\.utcnow|time\.localtime|new Date\(\))")
    others = (path for path in TESTS.rglob("test_*.*") if path != Path(__file__) and path.suffix != ".pyc")
    assert [path.name for path in others if calendar.search(path.read_text())] == []


def test_the_instants_are_what_they_are_called() -> None:
    """A Sunday, midnight, the hour that Berlin leaves out, the last minute of a year, another decade."""
    at = {name: datetime.fromisoformat(text) for name, text in INSTANTS.items()}
    assert at["sunday"].isoweekday() == 7
    assert at["midnight"].timestamp() % 86_400 == 0
    before = at["daylight-saving"].astimezone(BERLIN)
    after = (at["daylight-saving"] + timedelta(minutes=1)).astimezone(BERLIN)
    assert (before.hour, after.hour) == (1, 3)
    assert at["years-end"].astimezone(UTC).strftime("%m-%d %H:%M") == "12-31 23:59"
    assert at["ten-years-on"].year == at["weekday"].year + 10
