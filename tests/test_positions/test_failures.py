"""Failures: reported while they last, logged once an hour."""

from __future__ import annotations

import asyncio

import structlog

from liqstream.positions.failures import LOGGED_EVERY_S, Failures
from tests.support.virtual_clock import run_virtually


def test_what_lasts_is_reported_and_logged_once() -> None:
    """The newest reason, until it ends; what comes back within the hour is not logged again."""

    async def job() -> None:
        failures = Failures()
        with structlog.testing.capture_logs() as logs:
            failures.begin("a", "no answer")
            failures.begin("a", "still none")
            failures.begin("b", "too much")
            assert failures.text == "still none; too much"
            failures.end("a")
            failures.end("a")
            assert failures.text == "too much"
            failures.begin("a", "again")
            assert [line["event"] for line in logs] == ["a", "b"]
            assert [line["reason"] for line in logs] == ["no answer", "too much"]
            await asyncio.sleep(LOGGED_EVERY_S)
            failures.begin("a", "an hour later")
            assert len(logs) == 3
            assert all(line["log_level"] == "warning" for line in logs)

    run_virtually(job())
