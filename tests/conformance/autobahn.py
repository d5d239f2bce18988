"""The Autobahn test suite against an echo of the production socket (`make autobahn`).

Autobahn needs Python 2.7: AUTOBAHN is the command that runs its `wstest` in the current folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aiohttp import WSMsgType, web

from liqstream.ws.heatmap_socket import HeatmapSocket

MAX_MESSAGE_BYTES = 16 * 2**20
CASES = [
    "1.*",
    "2.*",
    "3.*",
    "4.*",
    "5.*",
    "6.*",
    "7.*",
    "9.1.1",
    "9.2.1",
    "10.*",
    "12.1.1",
    "13.1.1",
    "13.7.1",
]
"""All of framing, control frames, fragments, UTF-8 and closing; samples of size and compression."""
MAY_BE = {
    "NON-STRICT": ("6.4.1", "6.4.2", "6.4.3", "6.4.4"),
    "INFORMATIONAL": ("7.1.6", "7.13.1", "7.13.2"),
}
"""Bytes that are no UTF-8 are found at the end of their message; and cases without a right answer."""
TIMEOUT_S = 300.0


def faults_in(report: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The cases of a report that are neither OK nor among those listed; a report of none is a fault too."""
    wrong = [
        f"{case}: {found['behavior']}"
        for case, found in report.items()
        if found["behavior"] != "OK" and case not in MAY_BE.get(found["behavior"], ())
    ]
    return wrong if len(report) > 200 else [*wrong, f"only {len(report)} cases were run"]


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send every message back as it came."""
    ws = HeatmapSocket(max_msg_size=MAX_MESSAGE_BYTES + 1)
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await ws.send_bytes(message.data)
    return ws


async def run(command: list[str], folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Autobahn's report on the echo."""
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        servers = [{"agent": "echo", "url": f"ws://127.0.0.1:{runner.addresses[0][1]}"}]
        spec: dict[str, object] = {"outdir": "report", "servers": servers, "cases": CASES}
        spec |= {"exclude-cases": [], "exclude-agent-cases": {}}
        await asyncio.to_thread((folder / "spec.json").write_text, json.dumps(spec))
        arguments = [*command, "-m", "fuzzingclient", "-s", "spec.json"]
        process = await asyncio.create_subprocess_exec(*arguments, cwd=folder)
        await asyncio.wait_for(process.wait(), TIMEOUT_S)
    finally:
        await runner.cleanup()
    report: Mapping[str, Mapping[str, str]] = json.loads(
        await asyncio.to_thread((folder / "report" / "index.json").read_text)
    )["echo"]
    return report


def main() -> None:
    """Run it; exit 1 with the cases that are wrong."""
    command = shlex.split(os.environ.get("AUTOBAHN", "wstest"))
    with tempfile.TemporaryDirectory() as folder:
        wrong = faults_in(asyncio.run(run(command, Path(folder))))
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
