"""Clients that a proxy moves between the servers of a fleet, and servers whose clock steps."""

from __future__ import annotations

import signal

from tests.faults.catalogue import Outcome, UnexpectedError, fault, until_alone, until_news, until_together
from tests.faults.checking_client import INTERVAL_S
from tests.faults.movers import SYMBOL
from tests.faults.oracle import Order
from tests.faults.stack import COLLECTING, Stack

SHOWN_WITHIN_S = INTERVAL_S + 2.0
"""After a move a client shows the new server's state within this."""
STEP_MS = 7_200_000


async def move(stack: Stack, name: str) -> float:
    """Move our clients to a server; returns the seconds until all show its state."""
    stood = _position(stack, name)
    stack.movers.move(stack.nodes[name].port)

    def there() -> bool:
        epoch = _position(stack, name)[0]
        least = stood[1] if epoch == stood[0] else 1
        return all(
            shown and shown[-1].key.epoch == epoch and shown[-1].key.seq >= least
            for shown in stack.movers.shown.values()
        )

    try:
        return await stack.until_async(there, f"state of {name} in every client", SHOWN_WITHIN_S)
    except TimeoutError as error:
        held = {kind: shown[-1:] for kind, shown in stack.movers.shown.items()}
        raise UnexpectedError(f"{error}: it stands at {_position(stack, name)}, shown is {held}") from None


def _position(stack: Stack, name: str) -> Order:
    """Where a server stands, by the clients that never left it."""
    return max(w.held for w in stack.live([name]) if w.symbol == SYMBOL and w.connected)


@fault("move-clients", "move", "moved to any server, every client shows its state within the interval + 2 s")
async def move_clients(stack: Stack) -> Outcome:
    names = [name for name in stack.nodes for _ in range(1 if stack.short else 3)]
    stack.random.shuffle(names)
    slowest_s = max([await move(stack, name) for name in names])
    return Outcome(f"{len(names)} moves, the slowest {slowest_s:.2f} s", untouched=COLLECTING)


@fault("move-to-cut-off", "move", "to a server without Redis, to the others, and to it again once it is back")
async def move_to_cut_off(stack: Stack) -> Outcome:
    leader, follower = await stack.leader_and_follower()
    took = []
    stack.proxies[follower.name].go_dark()
    try:
        await until_alone(stack, follower.name)
        await until_news(stack, stack.live([follower.name]), 2)
        took += [await move(stack, name) for name in (follower.name, leader.name, follower.name)]
    finally:
        stack.proxies[follower.name].behave()
    took.append(await move(stack, leader.name))
    await until_together(stack, 4)
    await until_news(stack, stack.live([follower.name]), 3)
    took.append(await move(stack, follower.name))
    return Outcome(f"slowest of {len(took)} moves {max(took):.2f} s")


@fault(
    "move-clock-step", "move", "clock back two hours over two restarts: epochs grow, clients show its state"
)
async def move_clock_step(stack: Stack) -> Outcome:
    _, node = await stack.leader_and_follower()
    proxy, epochs = stack.proxies[node.name], [_position(stack, node.name)[0]]
    other = next(name for name in COLLECTING if name != node.name)
    try:
        for _ in range(2):
            node.clock.write_text(str(-STEP_MS))
            await node.stop(signal.SIGKILL)
            proxy.go_dark()  # alone, so that it chooses its epochs itself
            await node.start()
            await stack.until_async(
                lambda: all(w.connected and w.received for w in stack.live([node.name])), "clients back", 10
            )
            await until_news(stack, stack.live([node.name]), 5)
            epochs.append(_position(stack, node.name)[0])
            await move(stack, node.name)
            await move(stack, other)
    finally:
        node.clock.unlink()
        proxy.behave()
        await node.stop()
        await node.start()
    if epochs != sorted(set(epochs)):
        raise UnexpectedError(f"epochs of {node.name} do not grow: {epochs}")
    await until_together(stack, 6)
    return Outcome(f"{node.name} in epochs {epochs}", restarted=(node.name,))
