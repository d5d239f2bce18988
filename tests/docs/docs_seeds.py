"""Write how well the map recovers simulated positions, seed by seed (`make docs-seeds`)."""

from __future__ import annotations

from tests.docs.docs_tables import ROOT, with_part
from tests.test_evaluation.test_known_positions import agreements

SEEDS = range(1, 11)
_COLUMNS = {
    "model": "map, kernel fitted there",
    "builtin": "map, built-in kernel",
    "uniform": "B3's levels",
    "one_sided": "one-sided",
    "extreme": "beyond the day's extremes",
}


def table(found: dict[int, dict[str, float]]) -> str:
    """A row per seed: rank correlation with the true standing positions."""
    lines = [f"| seed | {' | '.join(_COLUMNS.values())} |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for seed, means in found.items():
        lines.append(f"| {seed} | {' | '.join(f'{means[name]:.2f}' for name in _COLUMNS)} |")
    best = sum(max(means, key=lambda name: means[name]) == "model" for means in found.values())
    lines += ["", f"The map with a kernel fitted there agrees best on {best} of {len(found)} seeds."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = ROOT / "docs" / "model.md"
    made = table({seed: agreements(seed, with_builtin=True) for seed in SEEDS})
    page.write_text(with_part(page.read_text(), "seeds", made))
