"""When every simulated market of the tests starts: one instant for all, whatever day it is.

`make test-instants` runs the tests of such markets at each of INSTANTS; LIQSTREAM_TEST_START names one.
"""

from __future__ import annotations

import os

from liqstream.market import DAY_MS, HOUR_MS
from liqstream.settings.utc_time import utc_ms

INSTANTS = {
    "weekday": "2026-11-23T02:59:00Z",
    "sunday": "2026-06-14T13:30:00Z",
    "midnight": "2026-09-09T00:00:00Z",
    # The browser of the tests lives in Berlin, where 02:00 becomes 03:00 at 01:00 UTC.
    "daylight-saving": "2026-03-29T00:59:40Z",
    "years-end": "2026-12-31T23:59:40Z",
    "ten-years-on": "2036-11-26T08:15:00Z",
}
DEFAULT = "weekday"

START = INSTANTS[os.environ.get("LIQSTREAM_TEST_START", DEFAULT)]
START_MS = utc_ms(START)

SHORT_HISTORY_DAYS = 0 if START_MS % DAY_MS >= 2 * HOUR_MS else 1
"""Whole days before today that give a market at least two hours of past."""
