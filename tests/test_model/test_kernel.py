"""liqstream/model/kernel.py: masses, groups, and kernel files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from liqstream.model.kernel import (
    FITTED_SHARES,
    OFFSET_EDGES,
    Kernel,
    KernelError,
    broad,
    kernel_of_market,
    load_kernel,
    save_kernel,
    tier_offset,
    tiered,
)
from liqstream.model.margin import bundled_brackets
from liqstream.model.spread import BIN_WIDTH


@pytest.mark.parametrize("kernel", [tiered(), broad(), tiered().for_max_leverage(50)])
def test_masses_sum_to_one_and_are_kept_apart_by_leverage(kernel: Kernel) -> None:
    """Every kernel hands out exactly what it is given, low leverage farthest from the entry."""
    masses = kernel.bin_masses(BIN_WIDTH)
    assert masses.sum() == pytest.approx(1)
    assert (masses >= 0).all()
    used = [row for row in masses if row.any()]
    centres = [np.average(np.arange(len(row)), weights=row) for row in used]
    assert centres == sorted(centres, reverse=True)


def test_both_shapes_give_each_leverage_group_the_same_mass() -> None:
    """The tiered kernel rearranges the fitted masses, it does not change them."""
    np.testing.assert_allclose(
        tiered().bin_masses(BIN_WIDTH).sum(axis=1), broad().bin_masses(BIN_WIDTH).sum(axis=1), atol=1e-3
    )


def test_broad_masses_are_the_fitted_shares() -> None:
    """Within .4 to .6 % from the entry lie the 13 % the fit found there."""
    total = np.cumsum(broad().bin_masses(1e-5).sum(axis=0))
    assert total[600] - total[400] == pytest.approx(FITTED_SHARES[4], abs=1e-3)


def test_tiers_lie_where_their_leverage_is_liquidated() -> None:
    """A 100x long with .5 % maintenance margin is liquidated .504 % below its entry, in log price."""
    assert tier_offset(np.array([100.0]))[0] == pytest.approx(0.00504, abs=1e-5)


def test_a_market_without_high_leverage_gets_no_mass_there() -> None:
    """Where the exchange stops at 50x, the mass of the higher tiers goes to 50x."""
    masses = tiered().for_max_leverage(50).bin_masses(BIN_WIDTH).sum(axis=1)
    assert masses[3] == masses[4] == 0
    assert masses[2] == pytest.approx(tiered().bin_masses(BIN_WIDTH).sum(axis=1)[2:].sum(), abs=1e-9)


def test_a_saved_kernel_is_loaded_again(tmp_path: Path) -> None:
    """What `liqstream fit` writes, the server loads, with its provenance."""
    path = tmp_path / "mine.json"
    kernel = Kernel("mine", "broad", FITTED_SHARES, 0.02, provenance={"rows": 7})
    save_kernel(kernel, path)
    loaded = load_kernel(str(path))
    assert loaded == kernel
    assert loaded.provenance == {"rows": 7}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": "other"}, "no kernel file"),
        ({"version": 2}, "version 2"),
        ({"shares": [1.0]}, "16 shares"),
        ({"shares": [float("nan")] * 16}, "finite"),
        ({"shares": [0.5] * 16}, "sum to 8"),
        ({"shares": [-1.0, 2.0, *[0.0] * 14]}, "from 0 up"),
        ({"usd_scale": 0}, "usd_scale"),
        ({"shape": "round"}, "shape"),
        ({"name": ""}, "name"),
        ({"offset_edges": [0, 1]}, "offset_edges"),
        ({"provenance": 3}, "provenance"),
    ],
)
def test_a_damaged_kernel_file_is_a_sentence(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    """A kernel of another version, or with a damaged figure, is refused by name and reason."""
    path = tmp_path / "mine.json"
    save_kernel(tiered(), path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(KernelError, match=reason):
        load_kernel(str(path))


def test_what_is_neither_a_name_nor_a_file_is_a_sentence(tmp_path: Path) -> None:
    """A typing error in LIQSTREAM_KERNEL says what is allowed."""
    with pytest.raises(KernelError, match="neither tiered, broad nor an existing file"):
        load_kernel("teired")
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(KernelError, match="cannot be read"):
        load_kernel(str(path))


@pytest.mark.parametrize(("symbol", "highest"), [("BTCUSDT", 125), ("SOLUSDT", 100), ("DOGEUSDT", 75)])
def test_tiers_end_at_the_highest_leverage_on_offer(symbol: str, highest: float) -> None:
    """What nobody can hold is not drawn; its mass is at the leverages that are offered."""
    whole = load_kernel("tiered")
    leverages, shares = kernel_of_market(whole, symbol, bundled_brackets()).tiers()
    assert leverages.max() == highest
    assert shares.sum() == pytest.approx(whole.tiers()[1].sum())


def test_a_symbol_without_brackets_keeps_the_whole_kernel() -> None:
    """Nothing is known of what its exchange offers: nothing is cut."""
    kernel = load_kernel("tiered")
    assert kernel_of_market(kernel, "NEWUSDT", bundled_brackets()) is kernel


def test_flat_to_a_distance_has_equal_mass_up_to_it_and_none_beyond() -> None:
    """In the same layout, with the same leverages on offer."""
    flat = tiered().for_max_leverage(50).flat_to(0.10)
    widths = np.diff(OFFSET_EDGES)
    assert np.array(flat.shares[:14]) == pytest.approx(widths[:14] / 0.10)
    assert not any(flat.shares[14:])
    assert (flat.shape, flat.max_leverage) == ("tiered", 50)
    masses = broad().flat_to(0.02).bin_masses(BIN_WIDTH).sum(axis=0)
    assert len(masses) <= 102
    inner = masses[2:98]
    assert inner == pytest.approx(np.full(len(inner), inner.mean()), rel=1e-6)


def test_the_flat_kernel_has_equal_mass_per_distance() -> None:
    """A fit that starts from it has seen nothing: every span of offsets weighs by its width alone."""
    kernel = load_kernel("flat")
    density = np.array(kernel.shares) / np.diff(np.array(OFFSET_EDGES))
    assert density == pytest.approx(np.full(len(density), 1 / OFFSET_EDGES[-1]))
