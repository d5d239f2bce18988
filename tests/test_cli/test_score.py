"""`liqstream score` and `liqstream fit` on a store made by `liqstream import`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from liqstream.cli import main
from liqstream.heatmap.kernel import load_kernel

HOURLY = "btc_1h_price_oi_liquidations_20251204_20260401.csv"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def db(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four months of hours, with realised totals, as imported."""
    path = tmp_path_factory.mktemp("score") / "hours.duckdb"
    file = shared_data / HOURLY
    done = run("import", "bars", file, "--symbol", "BTCUSDT", "--interval", "1h", "--db", path)
    assert done.exit_code == 0, done.output
    return path


@pytest.mark.shared_data
def test_the_table_has_intervals_and_baselines(db: Path) -> None:
    """A person reads each side, each baseline and both gains, with their intervals."""
    result = run("score", "--db", db)
    assert result.exit_code == 0, result.output
    for text in (
        "map + same bar",
        "map only",
        "B3 uniform",
        "B5 uniform x range",
        "one-sided",
        "mean of sides",
    ):
        assert text in result.stdout
    assert "gain over B3: +0.067 [+0.058, +0.078]" in result.stdout
    assert "kernel tiered was fitted on 2025-12-04 to 2026-04-01" in result.stdout
    documented = (Path(__file__).parents[2] / "docs" / "model.md").read_text().splitlines()
    printed = [line.rstrip() for line in result.stdout.splitlines() if "[" in line]
    assert set(printed) <= set(documented), "docs/model.md shows other figures than the command prints"


@pytest.mark.shared_data
def test_json_is_alone_on_stdout_and_says_the_span(db: Path) -> None:
    """A program reads one object; --from, --to, --interval and --kernel are followed."""
    result = run(
        *("score", "--db", db, "--symbol", "btcusdt", "--exchange", "binance", "--json"),
        *("--from", "2026-01-01", "--to", "2026-02-01T00:00:00Z", "--interval", "4h", "--kernel", "broad"),
    )
    content = json.loads(result.stdout)
    assert (content["from"], content["to"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert (content["interval"], content["bars"], content["kernel"]) == ("4h", "1h", "broad")
    assert content["sides"]["long"]["model"]["spearman"] > 0.7


@pytest.mark.shared_data
def test_a_kernel_is_fitted_and_judged(db: Path, tmp_path: Path) -> None:
    """`fit` writes a kernel that the server and `score` load, and says how it ranked what was kept back."""
    path = tmp_path / "kernel.json"
    result = run("fit", "--db", db, "--output", path, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["forward_spearman"] >= told["forward_spearman_before"]
    assert load_kernel(str(path)).provenance["days"] == told["days"] == 117
    judged = run("score", "--db", db, "--kernel", path, "--from", "2026-03-01", "--json")
    assert json.loads(judged.stdout)["kernel"] == told["name"]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("score", "--symbol", "ETHUSDT"), "no bars of ETHUSDT on binance in the store"),
        (("score", "--exchange", "okx"), "no bars of BTCUSDT on okx"),
        (("score", "--from", "2026-03-31"), "too short a span"),
        (("score", "--from", "2027-01-01"), "no bars of BTCUSDT on binance in the store for that span"),
        (("score", "--from", "2026-02-01", "--to", "2026-01-01"), "--from must be before --to"),
        (("score", "--interval", "30m"), "cannot be scored on bars of 1h"),
        (("score", "--kernel", "none.json"), "neither tiered, broad nor an existing file"),
        (("score", "--from", "soon"), "is no time"),
        (("score", "--symbol", "BTC/USDT"), "is no symbol"),
        (("fit", "--output", "k.json", "--from", "2026-03-01"), "60 are needed"),
        (("fit", "--output", "nowhere/k.json"), "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(db: Path, arguments: tuple[str, ...], sentence: str) -> None:
    """What is missing or wrong is said, with no traceback and a non-zero exit."""
    result = run(*arguments, "--db", db)
    assert result.exit_code != 0
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A typing error in --db leaves no empty file behind."""
    result = run("score", "--db", tmp_path / "none.duckdb")
    assert result.exit_code == 1
    assert "there is no store at" in result.output
    assert not list(tmp_path.iterdir())


def test_bars_without_liquidations_are_a_sentence(tmp_path: Path) -> None:
    """A store that was never told of a liquidation cannot be scored, and says how to change that."""
    path = tmp_path / "bars.csv"
    rows = ["open_time,open,high,low,close,sum_open_interest"]
    rows += [f"{1_780_000_200_000 + i * 300_000},100,101,99,100,{1000 + i}" for i in range(50)]
    path.write_text("\n".join(rows) + "\n")
    db = tmp_path / "bars.duckdb"
    assert run("import", "bars", path, "--symbol", "BTCUSDT", "--interval", "5m", "--db", db).exit_code == 0
    result = run("score", "--db", db)
    assert result.exit_code == 1
    assert "no realised liquidations of BTCUSDT on binance" in result.output
