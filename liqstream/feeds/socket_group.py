"""The sockets of one feed: as many as its topics need, changed while they run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from liqstream.feeds.socket_supervisor import SocketHooks, SocketMeans, SocketSupervisor
from liqstream.feeds.venue import RecordKind, Socket

REPLACE_EVERY_S = 25.0
"""A connection of which one channel is mute is replaced no more often: the new one may be as mute."""


class SocketGroup:
    """Holds the sockets it was given last, each under a supervisor of its own."""

    def __init__(self) -> None:
        # By the socket's name.
        self._running: dict[str, tuple[SocketSupervisor, asyncio.Task[None]]] = {}
        # Connections opened by supervisors that have gone.
        self._connects = 0
        # When a socket was last replaced for a mute channel, by name, in s.
        self._replaced_s: dict[str, float] = {}

    @property
    def connected(self) -> bool:
        """Whether every socket carries data."""
        return bool(self._running) and all(one.connected for one, _ in self._running.values())

    @property
    def connects(self) -> int:
        """Connections opened so far."""
        return self._connects + sum(one.connects for one, _ in self._running.values())

    def hold(self, sockets: Sequence[Socket], means: SocketMeans, hooks: SocketHooks) -> None:
        """Hold these sockets: one whose topics have changed is handed over, one not named is closed."""
        wanted = {socket.name: socket for socket in sockets}
        for name in self._running.keys() - wanted.keys():
            supervisor, task = self._running.pop(name)
            self._connects += supervisor.connects
            task.cancel()
        for name, socket in wanted.items():
            if name not in self._running:
                supervisor = SocketSupervisor(socket, means, hooks)
                task = asyncio.create_task(supervisor.run(), name=f"supervisor-{name}")
                self._running[name] = (supervisor, task)
            elif self._running[name][0].socket != socket:
                self._running[name][0].replace(socket)

    def replace_carrier(self, symbol: str, kind: RecordKind, now_s: float) -> None:
        """Hand over the connection that carries a mute channel, unless that was just done."""
        for name, (supervisor, _) in self._running.items():
            carries = any(
                topic.symbol in (symbol, "") and kind in topic.kinds for topic in supervisor.socket.topics
            )
            due = now_s - self._replaced_s.get(name, float("-inf")) >= REPLACE_EVERY_S
            if carries and due and supervisor.connected:
                self._replaced_s[name] = now_s
                supervisor.replace()

    async def ended(self) -> None:
        """Wait until a supervisor has ended, which none does by itself. Raises what it ended with."""
        tasks = [task for _, task in self._running.values()]
        if not tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()

    async def close(self) -> None:
        """End every socket."""
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
