"""The options that point an exchange's connector somewhere else, e.g. to `liqstream simulate`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from liqstream.feeds.registry import VENUES


def exchange_url_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--binance-rest-url`, `--binance-ws-url` and so on, under the names of their settings."""
    for name in reversed(VENUES):
        for kind, what in (("ws", "WebSocket"), ("rest", "REST interface")):
            option = click.option(
                f"--{name}-{kind}-url", metavar="URL", help=f"Where {name}'s {what} is, if not at its own."
            )
            command = option(command)
    return command
