"""Positions that were measured on Hyperliquid, with what part of open interest they are and how old."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .answer import read_answer
from .tables import short_usd


class Coverage(Struct, frozen=True):
    """What part of each side's open interest known accounts hold, and what of it has a level.

    `if_one_sided`: the shares hold if open interest counts one side, which no coin has proved yet.
    `unsound`: a side is more than there can be; `partial`: a side is below .2, so the view is partial.
    """

    long: float
    short: float
    long_with_level: float
    short_with_level: float
    if_one_sided: bool
    unsound: bool
    partial: bool


class LevelAges(Struct, frozen=True):
    """Median time in ms since levels were confirmed, by USD: of all, and of those within 5 % of the price;
    None where there are none."""

    median_ms: float | None
    near_ms: float | None


class FoundLiquidations(Struct, frozen=True):
    """Realised liquidations on Hyperliquid of the last 24 h at most: `capture` is the part of all that is
    found, so that sums are a lower bound."""

    capture: float
    found: int
    found_usd: float
    lower_bound: bool
    sentence: str


class MeasuredPosition(Struct, frozen=True):
    """One position whose level the price has not reached.

    `address` is shortened (0x1234..abcd); USD at the level, size in base coin, `entry` None where it is not
    known. `moves_with_others`: the level holds if this coin alone moves.
    """

    address: str
    side: Literal["long", "short"]
    usd: float
    size: float
    entry: float | None
    level: float
    margin: Literal["cross", "isolated"]
    age_ms: float
    moves_with_others: bool


class MeasuredPositions(Struct, frozen=True):
    """The largest measured positions of a symbol, the largest first, and what is to be known of them.

    `coverage`, `age` and `sentence`, which has both in words, are None until open interest is known,
    `liquidations` until a trade was met. `deadline_factor` is what deadlines of reads are stretched by;
    `source` is live or simulated, `state` reading, standby or ended.
    """

    symbol: str
    source: str
    state: str
    positions: list[MeasuredPosition] = field(name="data")
    coverage: Coverage | None = None
    age: LevelAges | None = None
    deadline_factor: float = 1.0
    sentence: str | None = None
    liquidations: FoundLiquidations | None = None

    def __repr__(self) -> str:
        """One line: market, how many positions, their USD, and how far to trust them."""
        usd = short_usd(sum(each.usd for each in self.positions))
        known = self.sentence or "nothing known yet"
        return f"<MeasuredPositions {self.symbol} {len(self.positions)} of {usd}, {self.source}: {known}>"


def decode_positions(body: bytes) -> MeasuredPositions:
    """The body of /api/positions/{symbol}. Raises ClientError for anything else."""
    return read_answer(body, MeasuredPositions, "positions")
