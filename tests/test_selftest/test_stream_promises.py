"""Promises about what a client receives, on a server that breaks them."""

from __future__ import annotations

from liqstream.selftest.promise import Result
from liqstream.selftest.run import put_to_the_test, target_of
from liqstream.selftest.stream_promises import BAD, BAD_INPUT, DELTAS, FIRST, FORWARD, SKIPS
from tests.support.lying_server import lying_server


async def results_of(seqs: list[int]) -> dict[str, Result]:
    """The results on a server that sends these seqs."""
    async with lying_server(seqs) as url, target_of(url, None) as target:
        promises = (FIRST, FORWARD, SKIPS, DELTAS, BAD)
        return {each.promise: each async for each in put_to_the_test(target, promises)}


async def test_a_server_that_breaks_its_promises_is_found_out() -> None:
    """Twice the same seq, a gap that nobody explains, a state that is not provable, a dropped connection."""
    results = await results_of([1, 1, 5])
    assert [each.verdict for each in results.values()] == ["kept", "broken", "broken", "broken", "broken"]
    assert results[FORWARD.name].observation == "6 snapshots, 2 out of order or twice"
    assert results[SKIPS.name].observation == "4 not received, 0 accounted for"
    assert results[BAD.name].observation == f"the connection ended after {BAD_INPUT[0][0]}"


async def test_a_server_that_sends_nothing_keeps_no_promise_of_the_stream() -> None:
    """An empty stream proves nothing."""
    results = await results_of([])
    assert results[FIRST.name].observation.endswith("2 never came")
    assert [results[each.name].verdict for each in (FIRST, FORWARD, DELTAS)] == ["broken"] * 3
