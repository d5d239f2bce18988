"""What outlives a restart: bans for exactly as long as stated, and missing past."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from liqstream.feeds.venue_state import (
    VenueState,
    ban_key,
    change_document,
    clear_bans,
    read_document,
    state_path,
)
from tests.support.step_clock import StepClock

KEY = ban_key("fapi.binance.com", "")
THREE_DAYS_S = 259_200.0


async def reopened(path: Path, clock: StepClock) -> VenueState:
    """The state as a process has it that has just begun."""
    state = VenueState(path, clock.now_ms, clock.time_s)
    await state.sync()
    return state


async def test_a_ban_is_kept_over_a_restart(tmp_path: Path) -> None:
    """To its end and no longer; another proxy is another address."""
    path, clock = state_path(tmp_path / "liqstream.duckdb"), StepClock()
    assert path == tmp_path / "liqstream.venues.json"
    first = await reopened(path, clock)
    first.pause(KEY, THREE_DAYS_S, "HTTP 418")
    before = first.has_changes
    await first.sync()
    assert (before, first.has_changes) == (True, False)
    again = await reopened(path, clock)
    assert again.pause_left_s(KEY) == THREE_DAYS_S
    assert again.pause_left_s(ban_key("fapi.binance.com", "proxy:3128")) == 0
    clock.advance(THREE_DAYS_S - 1)
    assert (await reopened(path, clock)).pause_left_s(KEY) == pytest.approx(1)
    clock.advance(1)
    assert again.pause_left_s(KEY) == 0


async def test_a_shorter_pause_ends_no_longer_one(tmp_path: Path) -> None:
    """An answer to a request that was under way when the ban came; after its end the next one counts."""
    path, clock = tmp_path / "x.json", StepClock()
    state = await reopened(path, clock)
    state.pause(KEY, THREE_DAYS_S, "HTTP 418")
    state.pause(KEY, 120.0, "HTTP 429")
    await state.sync()
    assert (await reopened(path, clock)).pause_left_s(KEY) == THREE_DAYS_S
    clock.advance(THREE_DAYS_S)
    state.pause(KEY, 120.0, "HTTP 429")
    assert state.pause_left_s(KEY) == 120.0


async def test_a_clock_that_was_set_back_makes_no_ban_longer() -> None:
    """At most what was stated: it goes on running down, and after its end the next one counts."""
    clock, set_back_ms = StepClock(), [0]
    state = VenueState(None, lambda: clock.now_ms() - set_back_ms[0], clock.time_s)
    for seconds in (300.0, 120.0, 10.0):
        state.pause(KEY, seconds, "HTTP 418")
        clock.advance(seconds / 2)
        set_back_ms[0] += 86_400_000
        assert state.pause_left_s(KEY) == seconds / 2
        clock.advance(seconds / 2)
        assert state.pause_left_s(KEY) == 0


async def test_a_ban_that_another_process_cleared_is_over(tmp_path: Path) -> None:
    """Once the file has been read again; bans of other hosts stay."""
    path, clock = tmp_path / "x.venues.json", StepClock()
    assert await asyncio.to_thread(clear_bans, path, {"fapi.binance.com"}) == []
    server = await reopened(path, clock)
    other = ban_key("api.bybit.com", "")
    behind = ban_key("fapi.binance.com", "proxy:3128")
    for key in (KEY, behind, other):
        server.pause(key, 7200.0, "HTTP 418")
    await server.sync()
    assert sorted(await asyncio.to_thread(clear_bans, path, {"fapi.binance.com"})) == [KEY, behind]
    assert server.pause_left_s(KEY) == 7200.0
    await server.sync()
    assert [server.pause_left_s(key) for key in (KEY, behind, other)] == [0, 0, 7200.0]


@pytest.mark.parametrize(("seconds", "lasting"), [(10.0, True), (900.0, False)])
async def test_short_pauses_are_in_memory_alone(tmp_path: Path, seconds: float, lasting: bool) -> None:
    """They are over before a restart; a country that is shut out is tried anew after one."""
    path, clock = tmp_path / "x.venues.json", StepClock()
    state = VenueState(path, clock.now_ms, clock.time_s)
    state.pause(KEY, seconds, "no", lasting=lasting)
    assert state.pause_left_s(KEY) == seconds
    await state.sync()
    assert not path.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"bans":7}', f'{{"bans":{{"{KEY}":{{"until_ms":"x"}}}}}}', '{"missing":[]}']
)
async def test_a_damaged_file_holds_nothing(tmp_path: Path, text: str) -> None:
    """It stops nothing, and is replaced by the next change."""
    path, clock = tmp_path / "x.venues.json", StepClock()
    path.write_text(text)
    state = await reopened(path, clock)
    assert state.pause_left_s(KEY) == 0
    assert state.missing("binance") == {}
    state.pause(KEY, 7200.0, "HTTP 418")
    state.save_missing("binance", {"BTCUSDT": {"bars": [[1, 2]]}})
    await state.sync()
    again = await reopened(path, clock)
    assert again.missing("binance") == {"BTCUSDT": {"bars": [[1, 2]]}}
    assert again.pause_left_s(KEY) == 7200.0


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '{"bans": '])
async def test_a_file_that_is_damaged_at_run_time_is_made_whole(tmp_path: Path, text: str) -> None:
    """What was read last is in it again: no ban is over because a disk or an editor failed."""
    path, clock = tmp_path / "x.json", StepClock()
    state = await reopened(path, clock)
    state.pause(KEY, THREE_DAYS_S, "HTTP 418")
    await state.sync()
    path.write_text(text)
    await state.sync()
    assert state.pause_left_s(KEY) == THREE_DAYS_S
    assert (await reopened(path, clock)).pause_left_s(KEY) == THREE_DAYS_S
    path.write_text(text)
    state.save_missing("okx", {"BTCUSDT": {"bars": [[1, 2]]}})
    await state.sync()
    assert (await reopened(path, clock)).missing("okx")
    assert (await reopened(path, clock)).pause_left_s(KEY) == THREE_DAYS_S


async def test_what_cannot_be_kept_is_logged_once(tmp_path: Path) -> None:
    """However often it is tried; nothing is left beside it."""
    path = tmp_path / "x.json"
    path.mkdir()
    clock = StepClock()
    state = VenueState(path, clock.now_ms, clock.time_s)
    state.pause(KEY, THREE_DAYS_S, "HTTP 418")
    with capture_logs() as logs:
        for _ in range(5):
            await state.sync()
    assert [each["event"] for each in logs] == ["venue_state_not_kept"]
    assert state.pause_left_s(KEY) == THREE_DAYS_S
    assert await asyncio.to_thread(lambda: {each.name for each in tmp_path.iterdir()}) == {"x.json", "x.lock"}


async def test_a_folder_that_takes_no_file_costs_only_the_restart(tmp_path: Path) -> None:
    """What cannot be written is kept in memory, and written when it can be."""
    (tmp_path / "file").write_text("")
    path, clock = tmp_path / "file" / "x.venues.json", StepClock()
    state = VenueState(path, clock.now_ms, clock.time_s)
    state.pause(KEY, 7200.0, "HTTP 418")
    await state.sync()
    assert state.pause_left_s(KEY) == 7200.0
    assert state.has_changes
    (tmp_path / "file").unlink()
    await state.sync()
    assert (await reopened(path, clock)).pause_left_s(KEY) == 7200.0


def test_changes_of_two_at_once_are_both_kept(tmp_path: Path) -> None:
    """Each is made under a lock, on what the file holds then."""
    path = tmp_path / "x.venues.json"

    def count(name: str) -> None:
        for number in range(20):
            change_document(path, lambda document, number=number: document.update({f"{name}{number}": 1}))  # type: ignore[misc]

    threads = [threading.Thread(target=count, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_document(path)) == 40
