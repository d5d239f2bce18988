"""Promises put to the test, one after the other."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from liqstream.client import ClientError
from liqstream.selftest import run
from liqstream.selftest.promise import Finding, Promise
from liqstream.selftest.run import PROMISES, put_to_the_test, target_of
from liqstream.selftest.target import Target
from tests.support.lying_server import lying_server


def promise(finding: Finding | Exception) -> Promise:
    """A promise whose check finds this, or raises it."""

    async def check(_target: Target) -> Finding:
        if isinstance(finding, Exception):
            raise finding
        return finding

    return Promise("p", "expected", check)


def test_there_are_ten_promises_each_with_its_own_name() -> None:
    """The last two end the server under test."""
    assert len({each.name for each in PROMISES}) == 10
    assert [each.own_server_only for each in PROMISES[-2:]] == [True, True]


async def test_on_anothers_server_nothing_is_stopped(demo_url: str) -> None:
    """The promises that take a server of one's own are not applicable there."""
    own_only = [each for each in PROMISES if each.own_server_only]
    async with target_of(demo_url, None) as target:
        results = [result async for result in put_to_the_test(target, own_only)]
    assert [result.verdict for result in results] == ["not applicable"] * 2


async def test_findings_become_verdicts() -> None:
    """What cannot be judged is neither kept nor broken; a check that fails is broken and says why."""
    findings: list[Finding | Exception] = [
        Finding("a", kept=True),
        Finding("b", kept=False),
        Finding("c", None),
        ClientError("gone"),
    ]
    async with lying_server([]) as url, target_of(url, None) as target:
        results = [each async for each in put_to_the_test(target, [promise(f) for f in findings])]
    assert [each.verdict for each in results] == ["kept", "broken", "not applicable", "broken"]
    assert results[3].observation == "the check failed: gone"


async def test_a_check_without_an_end_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server can hold the self-test up for ever."""
    monkeypatch.setattr(run, "PROMISE_TIMEOUT_S", 0.01)

    async def forever(_target: Target) -> Finding:
        await asyncio.Event().wait()
        return Finding("", kept=True)

    async with lying_server([]) as url, target_of(url, None) as target:
        results = [each async for each in put_to_the_test(target, [Promise("p", "e", forever)])]
    assert [(each.verdict, each.observation) for each in results] == [("broken", "no result within 0 s")]


async def test_promises_apart_are_tried_beside_the_others() -> None:
    """And still reported in their order."""
    began = asyncio.Event()

    async def waits(_target: Target) -> Finding:
        await asyncio.wait_for(began.wait(), 5)
        return Finding("first", kept=True)

    async def begins(_target: Target) -> Finding:
        began.set()
        return Finding("second", kept=True)

    promises = (Promise("1", "", waits), Promise("2", "", begins, apart=True))
    async with lying_server([]) as url, target_of(url, None) as target:
        results = [each async for each in put_to_the_test(target, promises)]
    assert [each.observation for each in results] == ["first", "second"]


async def test_connection_errors_are_findings() -> None:
    """A server that dies under a check is a broken promise, no traceback."""
    async with lying_server([]) as url, target_of(url, None) as target:
        results = [each async for each in put_to_the_test(target, [promise(aiohttp.ClientError())])]
    assert results[0].observation == "the check failed: ClientError"
