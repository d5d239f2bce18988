"""An alert that a rule has raised, and the one way by which each goes to all that deliver it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from liqstream.market import Source


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule that applies to a symbol now.

    `rule_id` is unique among the rules of its `owner`, the hash of a secret (owner.py). The rules of the
    alerts file have no owner ("") and `to`, the names of their targets; their id is their name.
    """

    rule_id: str
    owner: str
    symbol: str
    kind: str
    text: str
    """What has happened, a sentence that begins with the symbol."""
    time_ms: int
    """When it was raised, UTC epoch ms of the server's clock."""
    source: Source = "live"
    is_test: bool = False
    """Raised by hand, to see that it arrives."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """The figures that `text` is made of; USD, prices in USD, percent."""
    to: tuple[str, ...] = ()
    cooldown_s: float = 0.0
    """The rule's."""
    digest: str = ""
    """Of the rule as it is: another one once it was changed."""

    @property
    def sentence(self) -> str:
        """What a person is shown: a test, and data that is not live, are named as what they are."""
        labels = (
            "[TEST] " if self.is_test else "",
            "" if self.source == "live" else f"[{self.source.upper()}] ",
        )
        return "".join((*labels, self.text))


Sink = Callable[[Firing], None]
"""Takes in a firing and returns at once; whatever waits (a request, a disk) is a task's of its own."""


class Firings:
    """Hands each firing to every sink, on the event loop, in the order in which sinks were added.

    A sink that raises keeps no other from its firing; its error goes to `on_failure` by the sink's name.
    """

    def __init__(self, on_failure: Callable[[str, BaseException], None] = lambda _name, _error: None) -> None:
        self._on_failure = on_failure
        self._sinks: dict[str, Sink] = {}

    def add_sink(self, name: str, sink: Sink) -> None:
        """Hand all later firings to `sink` too; `name` is that of the task it fails as."""
        self._sinks[name] = sink

    def remove_sink(self, name: str) -> None:
        """Hand nothing more to a sink; nothing happens without one of this name."""
        self._sinks.pop(name, None)

    def deliver(self, firing: Firing) -> None:
        """Give a firing to every sink."""
        for name, sink in tuple(self._sinks.items()):
            try:
                sink(firing)
            except Exception as error:  # noqa: BLE001  # the next sink has its turn
                self._on_failure(name, error)
