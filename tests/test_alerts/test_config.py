"""The alerts file: read whole, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.alerts.config import BadAlertsError, read_alerts
from tests.docs.doc_blocks import blocks

RULE = '[[rule]]\nname="x"\nkind="cluster"\nto=["a"]\n'
TARGET = '[[target]]\nname="a"\nkind="webhook"\nurl="http://x"\n'


@pytest.mark.parametrize(
    ("page", "rules", "targets"),
    [
        ("docs/alerts.md", ["cluster", "cascade", "stale"], ["webhook", "telegram", "discord"]),
        ("docs/cookbook.md", ["cluster", "cascade"], ["telegram"]),
    ],
)
def test_the_documented_file_is_read(tmp_path: Path, page: str, rules: list[str], targets: list[str]) -> None:
    """The examples of the docs are valid."""
    (example,) = blocks(page, "toml")
    path = tmp_path / "alerts.toml"
    path.write_text(example.text)
    config = read_alerts(path)
    assert [rule.kind for rule in config.rule] == rules
    assert [target.kind for target in config.target] == targets


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "it has no rule"),
        ("[[rule]", "alerts.toml: "),
        ('[[rule]]\nname="x"\nkind="flood"\nto=["a"]', "Invalid enum value"),
        ('[[rule]]\nname="x"\nkind="stale"\nto=["a"]', "rule 'x': no target named 'a'"),
        ('[[rule]]\nname="x"\nkind="stale"\nto=[]', "no target named at all"),
        ('[[target]]\nname="a"\nkind="telegram"\n[[rule]]\nname="x"\nkind="stale"\nto=["a"]', "needs token"),
        (
            f'{TARGET}[[rule]]\nname="x"\nkind="stale"\nto=["a"]\nmessage="{{usd}}"',
            "it may name symbol",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line(text: str, sentence: str, tmp_path: Path) -> None:
    """It names the file and what is wrong."""
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    with pytest.raises(BadAlertsError, match=r"alerts\.toml") as refused:
        read_alerts(path)
    assert sentence in str(refused.value)
    with pytest.raises(BadAlertsError, match="cannot read the alerts file"):
        read_alerts(tmp_path / "none.toml")


def test_a_figure_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Also one that is as if it had not been said; a target's alike."""
    for kind, field in (
        ("price", "min_percentile = 90"),
        ("stale", "window_s = 60.0"),
        ("sweep", "price = 1"),
    ):
        said = refusal(tmp_path, f'{TARGET}[[rule]]\nname="x"\nkind="{kind}"\nto=["a"]\n{field}')
        assert f"rule 'x': a rule of kind {kind} has no {field.split()[0]}; it has " in said
    assert "webhook has no token" in refusal(tmp_path, f'{TARGET}chat_id="1"\n{RULE}')


BOUNDS = {"min_usd": 1e15, "within_percent": 100, "window_s": 86_400, "cooldown_s": 366 * 86_400}


def refusal(tmp_path: Path, text: str) -> str:
    """Why a file of this text is refused; empty if it is not."""
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    try:
        read_alerts(path)
    except BadAlertsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", BOUNDS)
def test_a_number_is_finite_positive_and_within_its_bound(name: str, tmp_path: Path) -> None:
    """Anything else would never raise an alert, or raise one with every map."""
    rule = RULE.replace("cluster", "cascade") if name == "window_s" else RULE
    for value in ("nan", "-nan", "inf", "-inf", "0", "0.0", "-0.0", "-1", "1e400", f"{BOUNDS[name] * 1.01}"):
        said = refusal(tmp_path, f"{TARGET}{rule}{name} = {value}")
        assert f"$.rule[0].{name}" in said, value
        assert "\n" not in said
    for taken in (1e-9, BOUNDS[name]):
        assert refusal(tmp_path, f"{TARGET}{rule}{name} = {taken}") == ""


@pytest.mark.parametrize(
    "message",
    [
        "{", "{}", "{0}", "{usd.real}", "{symbol[0]}", "{usd:{symbol}}", "{usd:>100000000}", "{usd!z}",
        "{usd:d}", "{price:%}{", "{nothing}", "{usd:.9999f}",
    ],
)  # fmt: skip
def test_a_message_that_does_not_fit_is_refused(message: str, tmp_path: Path) -> None:
    """What would fail, or fill the memory, with the first alert."""
    said = refusal(tmp_path, f"{TARGET}{RULE}message = '{message}'")
    assert "rule 'x': its message does not fit" in said
    assert "\n" not in said


def test_a_name_stands_for_one(tmp_path: Path) -> None:
    """Of two targets with one name the first would never hear of anything."""
    assert "2 targets are named 'a'" in refusal(tmp_path, f"{TARGET}{TARGET}{RULE}")
    assert "2 rules are named 'x'" in refusal(tmp_path, f"{TARGET}{RULE}{RULE}")


@pytest.mark.parametrize("text", ["\ud800", "\x00", "rule = 1", "a" * 100 + "\n= 2", "[[[[" * 5000, "\u2028"])
def test_bytes_that_are_no_such_file_are_refused(text: str, tmp_path: Path) -> None:
    """In one line, like all else."""
    (tmp_path / "alerts.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadAlertsError, match=r"^[^\n]+$"):
        read_alerts(tmp_path / "alerts.toml")


def test_a_rule_names_its_market_in_any_usual_form(tmp_path: Path) -> None:
    """Else it would never be raised; that of all markets stays."""
    path = tmp_path / "alerts.toml"
    names = ("PEPEUSDT", "kPEPE", "pepe/usdt:usdt", "1000PEPE-USDT-SWAP", "*")
    rules = [f'[[rule]]\nname="{name}"\nkind="cluster"\nto=["a"]\nsymbol="{name}"\n' for name in names]
    path.write_text(TARGET + "".join(rules))
    assert [rule.symbol for rule in read_alerts(path).rule] == ["PEPEUSDT"] * 4 + ["*"]
