"""Where the positions opened at a price are liquidated: fitted masses over the distance from entry.

A kernel is sixteen shares of mass, one per span of log offset from entry, fitted on realised liquidations
(docs/model.md). `broad` spreads each share evenly over its span; `tiered` puts the same shares at the
liquidation offsets of the leverages people trade, which draws the bands a reader looks for and ranks the
same. Both know which leverage group every part of their mass belongs to.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from liqstream.market import FloatArray
from liqstream.model.density import LEVERAGE_GROUPS
from liqstream.model.margin import BracketTable
from liqstream.model.normal import normal_cdf
from liqstream.settings.whole_file import whole_file
from liqstream.supervision.error_log import in_one_line

Shape = Literal["tiered", "broad"]

OFFSET_EDGES: tuple[float, ...] = tuple(
    percent / 100 for percent in (0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.1, 1.5, 2, 2.8, 4, 5.5, 7.5, 10, 14, 20)
)
"""Log offsets from entry between which each share of mass lies."""

FITTED_SHARES: tuple[float, ...] = (
    *(0.040, 0.028, 0.035, 0.058, 0.130, 0.105, 0.069, 0.049),
    *(0.042, 0.042, 0.046, 0.050, 0.055, 0.065, 0.082, 0.105),
)
"""Tied over both sides, least squares on log loss; beyond 7 % the smoothing sets them, not the data."""

USD_SCALE = 0.00984
"""Share of the churned notional that is ever liquidated, before calibration; fitted with the shares."""

TIER_LEVERAGES: tuple[int, ...] = (125, 100, 75, 50, 40, 30, 25, 20, 15, 12, 10, 8, 7, 6, 5)
"""Leverages people trade, nearest liquidation price first."""
GROUP_TOP_LEVERAGE: tuple[float, ...] = (10, 25, 50, 100, math.inf)
"""Highest leverage of each group of LEVERAGE_GROUPS."""

TIER_MAINTENANCE_MARGIN_RATE = 0.005
TIER_WIDTH = 0.05
"""Standard deviation of a tier as a share of its offset: entries, sizes and added margin blur it."""

_TAIL = 4.0
_MOST = 1e6
"""No figure of a kernel is larger; one that is would make the map's overflow."""
_FORMAT = "liqstream-kernel"
_VERSION = 1


class KernelError(ValueError):
    """A kernel that cannot be used; the message is the one line to show."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Shares of mass by offset from entry, and how they are laid out; `name` goes with every map.

    `shares` belong to the spans of OFFSET_EDGES and sum to 1; `usd_scale` turns churned notional into
    liquidated USD before calibration. `max_leverage` drops the tiers an exchange does not offer (their
    mass goes to the highest it does). `provenance` is what a fitted kernel rests on.
    """

    name: str
    shape: Shape
    shares: tuple[float, ...] = FITTED_SHARES
    usd_scale: float = USD_SCALE
    max_leverage: float = 125
    provenance: dict[str, object] = field(default_factory=dict, compare=False)

    def bin_masses(self, bin_width: float) -> FloatArray:
        """Mass per (leverage group, bin offset) for log-price bins of `bin_width`; sums to 1.

        Entry d stands for levels d bins away from the bin of the entry, downward for longs, upward for
        shorts; entry 0 is the entry's own bin.
        """
        masses = self._tiered_masses(bin_width) if self.shape == "tiered" else self._broad_masses(bin_width)
        used = int(np.flatnonzero(masses.any(axis=0))[-1]) + 1
        trimmed: FloatArray = masses[:, :used] / masses.sum()
        return trimmed

    def for_max_leverage(self, max_leverage: float) -> Kernel:
        """The same kernel for a market that offers at most this leverage."""
        return replace(self, max_leverage=max(max_leverage, TIER_LEVERAGES[-1]))

    def flat_to(self, farthest: float) -> Kernel:
        """The same layout with equal mass per log offset from 0 to `farthest`, one of OFFSET_EDGES."""
        edges = np.array(OFFSET_EDGES)
        widths = np.where(edges[1:] <= farthest + 1e-9, np.diff(edges), 0.0)
        return replace(self, name="flat", shares=tuple((widths / widths.sum()).tolist()))

    def tiers(self) -> tuple[FloatArray, FloatArray]:
        """Leverages on offer and the share of mass at each: that of the offsets nearest to it, in ratio."""
        leverages = np.array([x for x in TIER_LEVERAGES if x <= self.max_leverage], dtype=np.float64)
        return leverages, np.diff(self._mass_within(_cell_edges(leverages)))

    def _tiered_masses(self, bin_width: float) -> FloatArray:
        leverages, shares = self.tiers()
        offsets = tier_offset(leverages)
        edges = _bin_edges(offsets.max() * (1 + _TAIL * TIER_WIDTH), bin_width)
        z = np.clip((edges - offsets[:, None]) / (TIER_WIDTH * offsets[:, None]), -_TAIL, _TAIL)
        tiers = shares[:, None] * np.diff(normal_cdf(z), axis=1) / (1 - 2 * normal_cdf(-_TAIL))
        return _by_group(leverages, tiers)

    def _broad_masses(self, bin_width: float) -> FloatArray:
        leverages = self.tiers()[0]
        edges = _bin_edges(OFFSET_EDGES[-1], bin_width)
        cells = _cell_edges(leverages)
        inside = np.clip(edges, cells[:-1, None], cells[1:, None])
        return _by_group(leverages, np.diff(self._mass_within(inside), axis=1))

    def _mass_within(self, offsets: FloatArray) -> FloatArray:
        cumulative = np.concatenate(([0.0], np.cumsum(self.shares)))
        within: FloatArray = np.interp(offsets, OFFSET_EDGES, cumulative)
        return within


def tier_offset(leverage: FloatArray) -> FloatArray:
    """Log offset from entry at which a position of this leverage is liquidated (design: long, mirrored)."""
    offset: FloatArray = -np.log((1 - 1 / leverage) / (1 - TIER_MAINTENANCE_MARGIN_RATE))
    return offset


def tiered(shares: tuple[float, ...] = FITTED_SHARES) -> Kernel:
    """The map's default: bands at the liquidation offsets of traded leverages."""
    return Kernel("tiered", "tiered", shares)


def broad(shares: tuple[float, ...] = FITTED_SHARES) -> Kernel:
    """The same masses, evenly within each span of offsets."""
    return Kernel("broad", "broad", shares)


def flat() -> Kernel:
    """Tiers with equal mass per distance from entry: where a fit begins that must know nothing yet."""
    return tiered().flat_to(OFFSET_EDGES[-1])


def kernel_of_market(kernel: Kernel, symbol: str, brackets: BracketTable) -> Kernel:
    """`kernel` without the tiers above the symbol's highest leverage; whole for a symbol without brackets."""
    offered = brackets.symbols.get(symbol)
    if offered is None:
        return kernel
    return kernel.for_max_leverage(max(bracket.max_leverage for bracket in offered))


def load_kernel(text: str) -> Kernel:
    """The kernel named `tiered`, `broad` or `flat`, or the one in a file written by `liqstream fit`.

    Raises KernelError in one line when there is no such file, or it is damaged or of another version.
    """
    if text == "tiered":
        return tiered()
    if text == "broad":
        return broad()
    if text == "flat":
        return flat()
    path = Path(text)
    try:
        content = json.loads(whole_file(path).decode())
    except FileNotFoundError:
        raise KernelError(f"kernel {text!r} is neither tiered, broad nor an existing file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise KernelError(f"kernel file {path} cannot be read: {in_one_line(str(error))}") from None
    return _from_json(content, path)


def save_kernel(kernel: Kernel, path: Path) -> None:
    """Write a kernel with its provenance as JSON that `load_kernel` takes."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": kernel.name,
        "shape": kernel.shape,
        "offset_edges": list(OFFSET_EDGES),
        "shares": list(kernel.shares),
        "usd_scale": kernel.usd_scale,
        "provenance": kernel.provenance,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _from_json(content: object, path: Path) -> Kernel:
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise KernelError(f"{path} is no kernel file; write one with `liqstream fit`")
    if content.get("version") != _VERSION:
        version = in_one_line(repr(content.get("version")))
        raise KernelError(
            f"kernel file {path} is of version {version}, this program reads {_VERSION}; "
            "fit it again with `liqstream fit`"
        )
    if content.get("offset_edges") != list(OFFSET_EDGES):
        raise KernelError(f"kernel file {path} is damaged: its offset_edges are not this program's")
    name, shape, provenance = content.get("name"), content.get("shape"), content.get("provenance", {})
    if not isinstance(name, str) or not 0 < len(name) <= 64 or not name.isprintable():
        raise KernelError(f"kernel file {path} is damaged: its name is not a short text")
    if shape != "tiered" and shape != "broad":
        raise KernelError(f"kernel file {path} is damaged: its shape is neither tiered nor broad")
    if not isinstance(provenance, dict):
        raise KernelError(f"kernel file {path} is damaged: its provenance is no object")
    return Kernel(
        name,
        "tiered" if shape == "tiered" else "broad",
        _checked_shares(content.get("shares"), path),
        _checked_scale(content.get("usd_scale"), path),
        provenance=provenance,
    )


def _checked_shares(values: object, path: Path) -> tuple[float, ...]:
    wanted = len(OFFSET_EDGES) - 1
    if not isinstance(values, list) or len(values) != wanted:
        raise KernelError(f"kernel file {path} is damaged: it has not exactly {wanted} shares")
    if not all(_is_number(value) and value >= 0 for value in values):
        raise KernelError(f"kernel file {path} is damaged: a share is not a finite number from 0 up")
    if abs(sum(values) - 1) > 0.01:
        raise KernelError(f"kernel file {path} is damaged: its shares sum to {sum(values):.4g}, not to 1")
    return tuple(float(value) for value in values)


def _checked_scale(value: object, path: Path) -> float:
    if not isinstance(value, int | float) or not _is_number(value) or value <= 0:
        raise KernelError(f"kernel file {path} is damaged: its usd_scale is not a positive number")
    return float(value)


def _is_number(value: object) -> bool:
    # A comparison, because math.isfinite() raises for an integer beyond a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST


def _bin_edges(reach: float, bin_width: float) -> FloatArray:
    # The own bin of an entry is half of a bin each way; below 0 there is no mass.
    edges = (np.arange(math.ceil(reach / bin_width) + 2) - 0.5) * bin_width
    positive: FloatArray = np.maximum(edges, 0.0)
    return positive


def _cell_edges(leverages: FloatArray) -> FloatArray:
    offsets = tier_offset(leverages)
    between = np.sqrt(offsets[1:] * offsets[:-1])
    edges: FloatArray = np.concatenate(([0.0], between, [np.inf]))
    return edges


def _by_group(leverages: FloatArray, tiers: FloatArray) -> FloatArray:
    groups = np.searchsorted(GROUP_TOP_LEVERAGE, leverages)
    masses = np.zeros((len(LEVERAGE_GROUPS), tiers.shape[1]))
    np.add.at(masses, groups, tiers)
    return masses
