"""The alerts file: rules and targets in TOML, read once at the start, refused in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from liqstream.alerts.rules import EXAMPLE_FACTS, Rule, misfit
from liqstream.alerts.targets import Target
from liqstream.market.identity import symbol_of
from liqstream.settings.whole_file import whole_file
from liqstream.supervision.error_log import in_one_line


class BadAlertsError(Exception):
    """An alerts file that cannot be used; the message is the one line to show."""


class AlertsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    rule: list[Rule] = []
    target: list[Target] = []


def read_alerts(path: Path) -> AlertsConfig:
    """The rules and targets of a file; a rule may name its market in any usual form.

    Raises BadAlertsError with the first thing that is wrong.
    """
    try:
        text = whole_file(path)
        config = msgspec.toml.decode(text, type=AlertsConfig)
        written = msgspec.toml.decode(text).get("rule", [])
    except OSError as error:
        raise BadAlertsError(f"cannot read the alerts file {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadAlertsError(f"{path}: {in_one_line(str(error))}") from None
    problem = next(_problems(config, written), None) if config.rule else "it has no rule"
    if problem is not None:
        raise BadAlertsError(f"{path}: {in_one_line(problem)}")
    rules = [replace(rule, symbol=symbol_of(rule.symbol)) for rule in config.rule]
    return replace(config, rule=rules)


def _problems(config: AlertsConfig, written: Sequence[Iterable[str]]) -> Iterator[str]:
    yield from _repeated("target", (target.name for target in config.target))
    yield from _repeated("rule", (rule.name for rule in config.rule))
    known = {target.name for target in config.target}
    for target in config.target:
        if target.problem() is not None:
            yield f"target {target.name!r}: {target.problem()}"
    for rule, fields in zip(config.rule, written, strict=True):
        unknown = [name for name in rule.to if name not in known]
        if unknown or not rule.to:
            yield f"rule {rule.name!r}: no target named {', '.join(map(repr, unknown)) or 'at all'}"
        if (problem := misfit(rule.kind, fields) or rule.problem()) is not None:
            yield f"rule {rule.name!r}: {problem}"
        try:
            rule.check_message()
        except (KeyError, ValueError) as error:
            facts = ", ".join(EXAMPLE_FACTS[rule.kind])
            yield f"rule {rule.name!r}: its message does not fit ({error}); it may name {facts}"


def _repeated(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{count} {what}s are named {name!r}: give each a name of its own"
