"""The simulated Aster: Binance's interface below /aster, without a history of open interest."""

from __future__ import annotations

from liqstream.simulator.binance_api import HISTORY, make_dialect

DIALECT = make_dialect("aster", "/aster", stream_path="/stream", left_out=(HISTORY,))
