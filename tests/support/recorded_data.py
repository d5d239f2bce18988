"""Where the recorded market data is: LIQSTREAM_TEST_DATA, by default beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

TEST_DATA = Path(
    os.environ.get("LIQSTREAM_TEST_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data")
)
