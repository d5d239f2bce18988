"""The shipped starting point of the amplitude, fitted on published hours: dollars in a market's first weeks.

`amplitude_prior.json` holds realised USD per predicted USD of hour bars, per side, with the span it was
fitted on; `liqstream fit --amplitude` writes it. No score uses it: the published hours are scored themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from liqstream.market import HOUR_MS

PRIOR_FILE = "amplitude_prior.json"

SHARE_OF_ONE_EXCHANGE = 0.5
"""The published totals are of Binance, Bybit and OKX, the open interest beside them is Binance's alone. Its
part of the three's is taken to be a half; an exchange's own liquidations put right what that is wrong by."""

BARS_EXPONENT = 0.4
"""Shorter bars predict more of the same days: raw predictions go as (1h / D)^.4 on the published 5m bars (2.7
times those of hours; 15m, 30m and 4h bars within a fifth), so the amplitude goes the other way."""


@dataclass(frozen=True, slots=True)
class AmplitudePrior:
    """Realised USD of three exchanges per USD predicted from hour bars with one exchange's open interest.

    `from_ms` and `to_ms` bound the span it was fitted on (UTC epoch ms).
    """

    from_ms: int
    to_ms: int
    long_factor: float
    short_factor: float

    def first_amplitudes(self, interval_ms: int) -> tuple[float, float]:
        """What the amplitudes of longs and shorts of one exchange start from, for bars of that length."""
        scale: float = SHARE_OF_ONE_EXCHANGE * (interval_ms / HOUR_MS) ** BARS_EXPONENT
        return scale * self.long_factor, scale * self.short_factor


@lru_cache(maxsize=1)
def shipped_amplitude() -> AmplitudePrior:
    """The prior in the package. Blocks."""
    text = files("liqstream.model").joinpath(PRIOR_FILE).read_text(encoding="utf-8")
    return amplitude_from_json(json.loads(text))


def amplitude_from_json(content: Mapping[str, Any]) -> AmplitudePrior:
    """A prior as `amplitude_to_json` wrote it."""
    long_factor, short_factor = content["factors"]
    return AmplitudePrior(content["from_ms"], content["to_ms"], long_factor, short_factor)


def amplitude_to_json(prior: AmplitudePrior) -> dict[str, Any]:
    """A prior as plain numbers of five digits."""
    return {
        "from_ms": prior.from_ms,
        "to_ms": prior.to_ms,
        "factors": [round(prior.long_factor, 5), round(prior.short_factor, 5)],
    }
