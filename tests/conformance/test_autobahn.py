"""What Autobahn's report must say; `make autobahn` makes one."""

from __future__ import annotations

import pytest

from tests.conformance.autobahn import MAY_BE, faults_in

GOOD = {f"1.{number}": {"behavior": "OK"} for number in range(250)} | {
    case: {"behavior": behavior} for behavior, cases in MAY_BE.items() for case in cases
}


@pytest.mark.parametrize(
    ("case", "behavior"),
    [
        ("1.5", "FAILED"),
        ("7.9.5", "FAILED"),
        ("1.5", "NON-STRICT"),
        ("6.4.1", "FAILED"),
        ("2.1", "INFORMATIONAL"),
    ],
)
def test_only_the_listed_cases_may_be_less_than_ok(case: str, behavior: str) -> None:
    """Each in its own way; a run that ended early is no pass."""
    assert faults_in(GOOD) == []
    assert faults_in(GOOD | {case: {"behavior": behavior}}) == [f"{case}: {behavior}"]
    assert faults_in({"1.1": {"behavior": "OK"}}) == ["only 1 cases were run"]
