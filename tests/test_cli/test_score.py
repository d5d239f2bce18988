"""`liqstream score` and `liqstream fit` on a store made by `liqstream import`."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from liqstream.cli import main
from liqstream.model.amplitude_prior import amplitude_from_json, shipped_amplitude
from liqstream.model.kernel import load_kernel
from liqstream.store.market_store import MarketStore
from tests.support.markets import walk

DOCS = Path(__file__).parents[2] / "docs"
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
    result = run("score", "--db", db, "--from", "2026-01-10", "--to", "2026-02-01")
    assert result.exit_code == 0, result.output
    for text in (
        "the drawn map",
        "with the bar's own entries",
        "flat kernel to 2 %, same path",
        "B3 uniform",
        "B5 uniform x range",
        "one-sided",
        "mean of sides",
    ):
        assert text in result.stdout
    assert "best prediction over B3: +0.0" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("BTCUSDT: 22 days; rank correlation 0.8")
    assert "model tiered was fitted on 2025-12-04 to 2026-04-01" in result.stdout


@pytest.mark.attack
@pytest.mark.shared_data
@pytest.mark.timeout(180)
def test_the_scores_are_as_documented(db: Path) -> None:
    """The command of docs/scoring.md prints its tables, and those of docs/model.md."""
    result = run("score", "--db", db)
    assert result.stdout.splitlines()[-1].startswith("BTCUSDT: 117 days; rank correlation 0.8")
    documented = [
        line.rstrip()
        for page in ("model.md", "scoring.md")
        for line in (DOCS / page).read_text().splitlines()
    ]
    printed = [line.rstrip() for line in result.stdout.splitlines() if "[" in line]
    assert len(printed) > 10
    assert set(printed) <= set(documented), "the docs show other figures than the command prints"


@pytest.mark.attack
@pytest.mark.shared_data
@pytest.mark.timeout(180)
def test_the_forecast_judged_by_an_older_kernel_is_as_documented(db: Path, tmp_path: Path) -> None:
    """The two commands of docs/scoring.md print its tables: a kernel fitted before, the span after it."""
    kernel = tmp_path / "before-25-feb.json"
    fitted = run("fit", "--db", db, "--to", "2026-02-25", "--kernel", "flat", "--output", kernel)
    assert fitted.exit_code == 0, fitted.output
    result = run("score", "--db", db, "--forecast", "--from", "2026-02-25", "--kernel", kernel)
    assert result.exit_code == 0, result.output
    documented = (DOCS / "scoring.md").read_text().splitlines()
    printed = [line.rstrip() for line in result.stdout.splitlines()][:-1]  # the closing line is of less here
    assert len(printed) > 40
    assert set(printed) <= set(documented), "docs/scoring.md shows other figures than the command prints"


@pytest.mark.long
@pytest.mark.shared_data
@pytest.mark.timeout(180)
def test_the_forecast_has_every_key_in_json(db: Path) -> None:
    """A program finds each horizon with the same keys, method and hash; what lacks data is null, with why."""
    result = run("score", "--db", db, "--forecast", "--json", "--from", "2026-01-10", "--to", "2026-02-01")
    content = json.loads(result.stdout)
    assert set(content) == {"symbol", "exchange", "kernel", "forecast", "method", "hash"}
    assert set(content["forecast"]) == {"30m", "1h", "4h"}
    half_hour, hour = content["forecast"]["30m"], content["forecast"]["1h"]
    assert set(half_hour) == set(hour)
    assert half_hour["rank"]["with_map"] is None
    assert "do not divide 30m" in half_hour["reason"]
    assert hour["rank"]["with_map"] > 0.4
    assert hour["reason"] is None


@pytest.mark.long
@pytest.mark.shared_data
@pytest.mark.timeout(180)
def test_starting_points_of_the_forecast_are_written(db: Path, tmp_path: Path) -> None:
    """`fit --forecast` and `--amplitude` write what a package ships: starting points with their span."""
    path = tmp_path / "priors.json"
    result = run("fit", "--db", db, "--forecast", "--to", "2026-01-10", "--output", path)
    assert result.exit_code == 0, result.output
    assert set(json.loads(path.read_text())) == {"30m", "1h", "4h"}
    result = run("fit", "--db", db, "--amplitude", "--output", path)
    assert "starting point of the amplitude, longs 1.83, shorts 1.33" in result.output
    assert amplitude_from_json(json.loads(path.read_text())) == shipped_amplitude()


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
    judged = run("score", "--db", db, "--kernel", path, "--to", "2025-12-20", "--json")
    assert json.loads(judged.stdout)["kernel"] == told["name"]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("score", "--symbol", "ETHUSDT"), "no bars of ETHUSDT on binance in the store"),
        (("score", "--exchange", "okx"), "no bars of BTCUSDT on okx"),
        (("score", "--to", "2025-12-07"), "too short a span"),
        (("score", "--from", "2027-01-01"), "no bars of BTCUSDT on binance in the store for that span"),
        (("score", "--from", "2026-02-01", "--to", "2026-01-01"), "--from must be before --to"),
        (("score", "--interval", "30m"), "cannot be scored on bars of 1h"),
        (("score", "--kernel", "none.json"), "neither tiered, broad nor an existing file"),
        (("score", "--from", "soon"), "is no time"),
        (("score", "--symbol", "BTC/USD:BTC"), "is no symbol"),
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
    assert "no liquidations of BTCUSDT on binance" in result.output


@pytest.fixture(scope="module")
def with_prices(db: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve of the hours' days, with single liquidations at prices between close and extreme."""
    path = tmp_path_factory.mktemp("prices") / "prices.duckdb"
    shutil.copy(db, path)
    rng = random.Random(1)
    lines = ["time,side,price,quantity"]
    start = 1_770_000_000_000 // 3_600_000 * 3_600_000
    with duckdb.connect(str(db), read_only=True) as connection:
        bars = connection.execute(
            "SELECT open_time_ms, low, high, lag(close) OVER (ORDER BY open_time_ms) FROM candles "
            f"WHERE open_time_ms BETWEEN {start} AND {start + 12 * 86_400_000} ORDER BY 1"
        ).fetchall()
    for time_ms, low, high, before in bars[1:]:
        for side, extreme in (("long", low), ("short", high)):
            lines += [f"{time_ms + i},{side},{rng.uniform(before, extreme)},1" for i in range(3)]
    events = path.with_suffix(".csv")
    events.write_text("\n".join(lines) + "\n")
    done = run("import", "liquidations", events, "--symbol", "BTCUSDT", "--db", path)
    assert done.exit_code == 0, done.output
    return path


@pytest.mark.shared_data
def test_prices_alone_can_be_asked_for(with_prices: Path) -> None:
    """`--by-price` prints nothing else; random prices are never called a skill."""
    result = run("score", "--db", with_prices, "--by-price", "--from", "2026-02-01", "--to", "2026-02-15")
    assert result.exit_code == 0, result.output
    assert "windows of 1h" in result.stdout
    assert "distance only" in result.stdout
    assert "Single levels: no better than chance." in result.stdout
    assert "the drawn map" not in result.stdout
    assert "forecast" not in result.stdout


@pytest.mark.shared_data
def test_several_symbols_are_one_object_each(with_prices: Path) -> None:
    """Under "symbols", by name; one that lacks data is there with the reason, every key null."""
    result = run(
        *("score", "--db", with_prices, "--by-price", "--json", "--symbol", "BTCUSDT,ETHUSDT"),
        *("--from", "2026-02-01", "--to", "2026-02-15"),
    )
    content = json.loads(result.stdout)
    assert set(content) == {"method", "hash", "symbols"}
    assert list(content["symbols"]) == ["BTCUSDT", "ETHUSDT"]
    assert content["symbols"]["BTCUSDT"]["by_price"]["bits"]["map"] < 0
    missing = content["symbols"]["ETHUSDT"]
    assert "no bars of ETHUSDT on binance" in missing["reason"]
    assert missing["by_price"] is None


def test_measured_positions_judge_alone(tmp_path: Path) -> None:
    """--against measured is of Hyperliquid's market, stands alone, and says what it lacks."""
    path = tmp_path / "empty.duckdb"
    asyncio.run(_write_bars(path))
    result = run("score", "--db", path, "--against", "measured")
    assert result.exit_code == 1
    assert "no measured positions of BTCUSDT in the store" in result.stderr
    both = run("score", "--db", path, "--against", "measured", "--forecast")
    assert both.exit_code == 1
    assert "stands alone" in both.stderr


async def _write_bars(path: Path) -> None:
    store = await MarketStore.open(path)
    await store.append(walk(2 * 288, exchange="hyperliquid"))
    await store.close()
