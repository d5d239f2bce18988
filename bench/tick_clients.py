"""Clients that ask for ticks, and what a price's age and latency are by what they got."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bench.live_clients import SAID, Client, Receipt

if TYPE_CHECKING:
    from bench.live_exchange import BusyExchange

Seconds = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_AGE_EVERY_S = 0.01


@dataclass(eq=False)
class TickClient(Client):
    """A client of protocol 2 with ticks; `prices` holds every price with its moment, of ticks and states."""

    prices: list[Receipt] = field(default_factory=list)
    with_ticks: bool = True
    ticks: list[Receipt] = field(default_factory=list)

    def wish(self) -> str:
        """Protocol 2, shorter than 126 bytes."""
        ticks = str(self.with_ticks).lower()
        wish = f'"symbols":["{self.symbol}"],"update_interval":1,"proto":2,"ticks":{ticks}'
        return f'{{"action":"subscribe",{wish}}}'

    def take_message(self, frame: bytes) -> None:
        """Note the price of a tick or a snapshot."""
        is_tick = b'"type":"tick"' in frame[:24]
        found = dict(SAID.findall(frame))
        if b"seq" not in found or b"current_price" not in found:
            return
        receipt = Receipt(time.monotonic(), int(found[b"seq"]), float(found[b"current_price"]))
        self.prices.append(receipt)
        (self.ticks if is_tick else self.receipts).append(receipt)


def latencies_s(exchange: BusyExchange, clients: list[TickClient], began_s: float, ended_s: float) -> Seconds:
    """From the exchange's newest message in a tick to the tick's receipt."""
    said_s = exchange.said_s
    return np.array(
        [
            receipt.at_s - said_s[exchange.round_of(client.symbol, receipt.price)]
            for client in clients
            for receipt in client.ticks
            if began_s < receipt.at_s <= ended_s
        ]
    )


def ages_s(exchange: BusyExchange, clients: list[TickClient], began_s: float, ended_s: float) -> Seconds:
    """How old the price that a client shows is, every hundredth of a second."""
    said_s, found = exchange.said_s, []
    for client in clients:
        for shown, following in pairwise(client.prices):
            if began_s < shown.at_s and following.at_s <= ended_s:
                moments = np.arange(shown.at_s, following.at_s, _AGE_EVERY_S)
                found.append(moments - said_s[exchange.round_of(client.symbol, shown.price)])
    return np.concatenate(found)
