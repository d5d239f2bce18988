"""Every field of a snapshot reaches every reader: one field changed changes what each of them gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from liqstream.client.messages import DeltaMessage, SnapshotMessage, decode
from liqstream.client.rest import decode_latest
from liqstream.client.symbol_stream import SymbolStream
from liqstream.heatmap.price_grid import Grid
from liqstream.heatmap.snapshot import HeatmapSnapshot, SilentExchange, hash_snapshot
from liqstream.http.app_keys import LATEST, SYMBOLS
from liqstream.http.heatmap_api import add_latest_route
from liqstream.wire import snapshot_message
from liqstream.wire.encoding import EncodedSnapshot, Shape, Variant
from liqstream.wire.snapshot_codec import decode_snapshot, encode_snapshot
from liqstream.wire.snapshot_message import column_data, message_of, snapshot_of, v1_data
from tests.support.frame_reader import FrameReader
from tests.support.snapshots import first_snapshot, next_snapshot

ROOT = Path(__file__).resolve().parents[2]
BASE = replace(first_snapshot(), kernel="tiered", quality=("warming_up",))
SNAPSHOT = next_snapshot(BASE)
FIELDS = [field.name for field in fields(HeatmapSnapshot)]

NOT_NOTICED = {
    ("hash", "timestamp_ms"): "a clock that moves is no change of the map",
    ("hash", "epoch"): "which generator counts is no change of the map",
    ("hash", "seq"): "counts the changes, so it is none",
    ("hash", "positions_created"): "follows from the levels before and now",
    ("hash", "positions_consumed"): "follows from the levels before and now",
}
"""What need not change with a field, and why."""


def varied(name: str) -> HeatmapSnapshot:
    """SNAPSHOT with another value of one field."""
    return replace(SNAPSHOT, **{name: _other(getattr(SNAPSHOT, name), get_type_hints(HeatmapSnapshot)[name])})


def _other(value: Any, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return next(each for each in get_args(kind) if each != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return f"{value}X"
    if isinstance(value, tuple):
        return (*value, SilentExchange("okx", 1) if "Silent" in str(kind) else "gap")
    if isinstance(value, Grid):
        return replace(value, step=2 * value.step)
    if isinstance(value, np.ndarray):
        return np.concatenate((value[:7], value[7:8] + 500, value[8:]))
    raise TypeError(f"no other value of {kind}")


def message_text(snapshot: HeatmapSnapshot, shape: Shape) -> str:
    """The message of one shape as the stream has it, for a client that holds BASE."""
    frame = EncodedSnapshot(snapshot).frame(Variant(shape, 0), base=EncodedSnapshot(BASE))
    ((_, payload),) = FrameReader().frames(frame)
    return payload.decode()


async def rest_bodies(snapshots: Sequence[HeatmapSnapshot], query: str) -> list[bytes]:
    """What GET /api/heatmap/{symbol} answers for each."""
    bodies = []
    for snapshot in snapshots:

        async def latest(_: str, snapshot: HeatmapSnapshot = snapshot) -> HeatmapSnapshot:
            return snapshot

        app = web.Application()
        app[LATEST], app[SYMBOLS] = latest, (snapshot.symbol,)
        add_latest_route(app)
        async with (
            TestClient(TestServer(app)) as client,
            client.get(f"/api/heatmap/{snapshot.symbol}{query}") as answer,
        ):
            bodies.append(await answer.read())
    return bodies


def python_client_state(text: str) -> str:
    """What `liqstream.client` makes of a message."""
    message = decode(text)
    assert isinstance(message, SnapshotMessage | DeltaMessage)
    state = SymbolStream(message.symbol).take(message)
    assert state is not None
    return shown(state)


def shown(state: Any) -> str:
    """All that a client's snapshot holds."""
    values = {name: getattr(state, name) for name in state.__dataclass_fields__ if name != "grid"}
    grid = state.grid
    return repr((values, grid.p0, grid.step, grid.long_usd.tolist(), grid.short_usd.tolist()))


_JS_CLIENT = """
import { SymbolStream } from "%s";
const messages = JSON.parse(await new Response(process.stdin).text());
const states = messages.map((message) => {
  const stream = new SymbolStream(1);
  stream.take(message);
  const { p0, step, long, short } = stream.snapshot.levels;
  return JSON.stringify({ ...stream.snapshot, levels: [p0, step, [...long], [...short]] });
});
console.log(JSON.stringify(states));
"""


def javascript_client_states(texts: Sequence[str]) -> list[str]:
    """What the browser's client makes of each message."""
    script = _JS_CLIENT % (ROOT / "web" / "js" / "wire" / "symbol-stream.js").as_uri()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        input=f"[{','.join(texts)}]",
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=os.environ | {"PATH": path},
    )
    assert done.returncode == 0, done.stderr
    states: list[str] = json.loads(done.stdout)
    return states


async def each(make: Callable[[HeatmapSnapshot], Any], snapshots: Sequence[HeatmapSnapshot]) -> list[Any]:
    return [make(snapshot) for snapshot in snapshots]


def read_back(snapshot: HeatmapSnapshot) -> str:
    """A snapshot after it was in Redis."""
    read = decode_snapshot(encode_snapshot(snapshot), snapshot.symbol)
    return repr([np.asarray(getattr(read, name)).tolist() for name in FIELDS])


Outputs = Callable[[Sequence[HeatmapSnapshot]], Awaitable[list[Any]]]
READERS: dict[str, Outputs] = {
    "hash": lambda made: each(hash_snapshot, made),
    "protocol 1": lambda made: each(lambda one: message_text(one, Shape.V1), made),
    "columns": lambda made: each(lambda one: message_text(one, Shape.COLUMNS), made),
    "delta": lambda made: each(lambda one: message_text(one, Shape.DELTA), made),
    "redis": lambda made: each(encode_snapshot, made),
    "redis, read back": lambda made: each(read_back, made),
    "REST, levels": lambda made: rest_bodies(made, ""),
    "REST, columns": lambda made: rest_bodies(made, "?columns=1"),
    "python client": lambda made: each(
        lambda one: python_client_state(message_text(one, Shape.COLUMNS)), made
    ),
}


async def python_rest_states(snapshots: Sequence[HeatmapSnapshot]) -> list[str]:
    """What `liqstream.client` makes of the REST answers."""
    return [shown(decode_latest(body)) for body in await rest_bodies(snapshots, "?columns=1")]


async def javascript_states(snapshots: Sequence[HeatmapSnapshot]) -> list[str]:
    """What the browser's client makes of the messages."""
    return javascript_client_states([message_text(each, Shape.COLUMNS) for each in snapshots])


READERS |= {"python client, REST": python_rest_states, "javascript client": javascript_states}


@pytest.mark.parametrize("reader", READERS)
async def test_every_field_reaches_every_reader(reader: str) -> None:
    """A field that differs makes a difference; where it need not, the reason is listed."""
    unchanged, *changed = await READERS[reader]([SNAPSHOT, *map(varied, FIELDS)])
    lost = [name for name, output in zip(FIELDS, changed, strict=True) if output == unchanged]
    assert lost == [name for at, name in NOT_NOTICED if at == reader]


def test_a_field_without_another_value_is_no_pass() -> None:
    """The check above would find nothing of a type it cannot vary."""
    with pytest.raises(TypeError, match="no other value"):
        _other(object(), object)


def test_every_field_stands_in_one_part_and_in_both_schemas() -> None:
    """No field of the struct is in no part of a message, or in two; the files have them all."""
    parts = ("IDENTITY", "STATE", "OF_BASE", "GRID", "TOTALS")
    placed = [name for part in parts for name in getattr(snapshot_message, part)] + ["checksum"]
    struct = [field.name for field in msgspec.structs.fields(snapshot_message.SnapshotMessage)]
    assert sorted(placed) == sorted("timestamp" if name == "timestamp_ms" else name for name in struct)
    for name in ("asyncapi.yaml", "openapi.yaml"):
        schemas = yaml.safe_load((ROOT / "docs" / name).read_text())["components"]["schemas"]
        for part in parts:
            assert tuple(schemas[part.lower()]["required"]) == getattr(snapshot_message, part)


@pytest.mark.parametrize("name", FIELDS)
def test_a_message_gives_its_snapshot_back(name: str) -> None:
    """Whatever field differs."""
    snapshot = varied(name)
    again = snapshot_of(message_of(snapshot))
    for each_name in FIELDS:
        assert np.array_equal(getattr(again, each_name), getattr(snapshot, each_name)), each_name


def test_whole_prices_are_whole_numbers_everywhere() -> None:
    """90000, not 90000.0, in the grid, the levels and the price alike."""
    whole = first_snapshot()
    assert b".0" not in msgspec.json.encode([v1_data(whole), column_data(whole)])
    assert b".0" not in encode_snapshot(whole)
    fine = replace(whole, grid=Grid(0.5, 0.05, 300), current_price=0.75)
    assert column_data(fine)["p0"] == 0.5
    assert v1_data(fine)["levels"][1]["price"] == 0.55


def test_v1_has_the_levels_at_which_anything_stands() -> None:
    """The same figures as the columns, at the grid's prices."""
    snapshot = replace(first_snapshot(), long=np.zeros(300, np.int64), short=np.arange(300) // 298 * 500)
    data = v1_data(snapshot)
    assert [(level["price"], level["short_density"]) for level in data["levels"]] == [
        (90_000 + 50 * row, 500) for row in (298, 299)
    ]
