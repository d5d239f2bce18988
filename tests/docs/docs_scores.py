"""Write what `liqstream score` prints of the published files into the docs (`make docs-scores`).

The commands stand in the pages above their tables; tests/test_cli/test_score.py compares most of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from liqstream.cli import main
from liqstream.cli.score import show_score
from liqstream.evaluation.market_score import MAP, Asked, score_market
from liqstream.market import MarketKey
from liqstream.model.kernel import broad
from liqstream.store.market_store import MarketStore
from tests.docs.docs_tables import ROOT, with_part

DATA = Path(os.environ.get("LIQSTREAM_TEST_DATA", ROOT.parent / "shared" / "data"))
HOURLY = "btc_1h_price_oi_liquidations_20251204_20260401.csv"
FIVE_MINUTES = "binance_btcusdt_5m_20260525_20260603.csv"
HALF_HOURS = "btc_liquidations_30m_20260525_20260603.csv"
JUDGED_FROM = "2026-02-25"

_README_ROWS = {
    "the drawn map": ("drawn_map",),
    "with the bar's own entries": ("with_same_bar",),
    "**best prediction**": ("model",),
    "a flat kernel to 2 % in the same machinery": ("baselines", "flat_2"),
    "B5, the strongest naive baseline": ("baselines", "uniform_range"),
    "B3, a uniform map of the same prices": ("baselines", "uniform"),
    "B1, how far the bar ran": ("baselines", "excursion"),
    "one-sided by candle colour": ("baselines", "one_sided"),
}


def run(*arguments: str | Path) -> str:
    """What a verb prints. Raises RuntimeError with what it said when it failed."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exit_code:
        raise RuntimeError(result.output)
    return "\n".join(line.rstrip() for line in result.stdout.splitlines()) + "\n"


def map_part(printed: str) -> str:
    """The tables of the map, without what follows on prices and forecast."""
    return printed.split("\nby price, ")[0] + "\n"


def mean_part(printed: str) -> str:
    """The first line and the table of both sides' mean."""
    shown = map_part(printed)
    return shown.splitlines()[0] + "\nmean of sides" + shown.split("\nmean of sides")[1]


def readme_table(judged: dict[str, Any], fitted: dict[str, Any]) -> str:
    """Rank correlations of a span judged by a kernel fitted before it, and of the span the shipped one was
    fitted on."""
    spans = [
        f"{content['from'][:10]} to {content['to'][:10]}, {content['n']:,} hours"
        for content in (judged, fitted)
    ]
    lines = [
        f"| | judged after fitting: {spans[0]} | fitted on it: {spans[1]} |",
        "|---|---|---|",
    ]
    for title, path in _README_ROWS.items():
        cells = []
        for content in (judged, fitted):
            figures = content["mean"]
            for key in path:
                figures = figures[key]
            low, high = figures["spearman_ci"]
            cells.append(f"{figures['spearman']:.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    gains = [content["mean"]["gain_over_uniform"] for content in (judged, fitted)]
    cells = [f"{gain['spearman']:+.3f} [{gain['ci'][0]:+.3f}, {gain['ci'][1]:+.3f}]" for gain in gains]
    lines.append(f"| best prediction over B3 | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def shown(content: dict[str, Any]) -> str:
    """A score as the command prints it."""
    with redirect_stdout(StringIO()) as printed:
        show_score(content)
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines()) + "\n"


def parts(folder: Path) -> dict[tuple[str, str], str]:
    """What stands between which marks of which page."""
    hours, minutes, kernel = folder / "hours.duckdb", folder / "minutes.duckdb", folder / "before-25-feb.json"
    of = ("--exchange", "binance", "--symbol", "BTCUSDT")
    run("import", "bars", DATA / HOURLY, *of, "--interval", "1h", "--db", hours)
    run("import", "bars", DATA / FIVE_MINUTES, *of, "--interval", "5m", "--db", minutes)
    run("import", "liquidations", DATA / HALF_HOURS, *of, "--db", minutes)
    run("fit", "--db", hours, "--to", JUDGED_FROM, "--kernel", "flat", "--output", kernel)
    late = json.loads(run("score", "--db", hours, "--json", "--from", JUDGED_FROM, "--kernel", kernel))
    fitted = json.loads(run("score", "--db", hours, "--json"))
    texts = {
        "late": shown(late),
        "hours": shown(fitted),
        "minutes": run("score", "--db", minutes),
    }
    return {
        ("README.md", "score"): readme_table(late, fitted),
        ("docs/model.md", "score late"): fenced(map_part(texts["late"])),
        ("docs/model.md", "score hours"): fenced(map_part(texts["hours"])),
        ("docs/model.md", "score broad"): fenced(mean_part(asyncio.run(of_broad(hours)))),
        ("docs/model.md", "score minutes"): fenced(map_part(texts["minutes"])),
        ("docs/model.md", "ablation hours"): fenced(run("score", "--db", hours, "--ablation")),
        ("docs/model.md", "ablation minutes"): fenced(run("score", "--db", minutes, "--ablation")),
        ("docs/scoring.md", "closing lines"): fenced(
            "".join(f"{text.splitlines()[-1]}\n" for text in texts.values())
        ),
        **{
            ("docs/scoring.md", f"forecast {name}"): fenced(forecast_part(text))
            for name, text in texts.items()
        },
        ("web/js/panels/published-score.js", "score"): published(late),
    }


async def of_broad(hours: Path) -> str:
    """The map's tables of the broad kernel, without prices and forecast."""
    store = await MarketStore.open(hours)
    asked = Asked(parts=frozenset({MAP}))
    content = await score_market(store, MarketKey("binance", "BTCUSDT"), broad(), asked)
    await store.close()
    return shown(content)


def published(content: dict[str, Any]) -> str:
    """What the page shows beside a simulated market: the score's figures as its module has them."""
    mean = content["mean"]

    def gains(of: dict[str, Any]) -> dict[str, Any]:
        keys = ("gain_over_uniform", "gain_over_uniform_range")
        return {key: {name: of[key][name] for name in ("spearman", "ci")} for key in keys}

    def rank(of: dict[str, Any]) -> dict[str, Any]:
        return {"spearman": round(of["spearman"], 3)}

    figures = {
        **{key: content[key] for key in ("symbol", "exchange", "from", "to", "n", "interval")},
        "mean": {
            "model": rank(mean["model"]),
            **{key: rank(mean[key]) | gains(mean[key]) for key in ("with_same_bar", "drawn_map")},
            "baselines": {name: rank(figures) for name, figures in mean["baselines"].items()},
        },
    }
    return f"export const PUBLISHED = {json.dumps(figures, indent=2)};\n"


def forecast_part(printed: str) -> str:
    """The forecast's tables and sentences."""
    rest = "forecast of " + printed.split("\nforecast of ", 1)[1]
    kept = [line for line in rest.splitlines()[:-1] if not line.startswith("note: ")]
    return "\n".join(kept) + "\n"


def fenced(text: str) -> str:
    """As a block of the docs."""
    return f"```text\n{text}```\n"


def write(made: dict[tuple[str, str], str]) -> None:
    """Put every part between its marks."""
    for (page, mark), part in made.items():
        path = ROOT / page
        text = path.read_text()
        if path.suffix == ".js":
            begin, end = f"// {mark}: made by `make docs-scores`\n", f"// /{mark}\n"
            before, rest = text.split(begin)
            path.write_text(before + begin + part + end + rest.split(end)[1])
        else:
            path.write_text(with_part(text, mark, part))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_in:
        write(parts(Path(made_in)))
