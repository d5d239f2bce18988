"""The `liqstream` command: one verb, one file; a verb's file is read only when it is called."""

from __future__ import annotations

import importlib
from typing import Any, cast

import click

from liqstream import __version__
from liqstream.cli.stdout_guard import guard_stdout
from liqstream.server.early_stop import stop_at_once

VERBS: dict[str, tuple[str, str]] = {
    "serve": ("liqstream.cli.serve", "Start the server."),
    "import": ("liqstream.cli.importing", "Fill the store from files."),
    "record": ("liqstream.cli.record", "Keep exchanges' raw frames, and fill the store."),
    "replay": ("liqstream.cli.replay", "Serve a recording of raw frames as if it happened now."),
    "simulate": ("liqstream.cli.simulate", "Run an exchange of its own making."),
    "tail": ("liqstream.cli.tail", "Follow a server's stream in the terminal or a pipe."),
    "mcp": ("liqstream.cli.mcp", "Answer assistants' questions about a server."),
    "positions": ("liqstream.cli.positions", "Show positions measured on Hyperliquid."),
    "selftest": ("liqstream.cli.selftest", "Put ten promises to the test on a server."),
    "score": ("liqstream.cli.score", "Judge the map by liquidations that really happened."),
    "fit": ("liqstream.cli.fit", "Fit a kernel to the store's own liquidations."),
    "doctor": ("liqstream.cli.doctor", "Check whether this machine is fit to run the server."),
    "export": ("liqstream.cli.export", "Write any span of the store to Parquet."),
    "backup": ("liqstream.cli.backup", "Write a backup of the store, also while a server runs."),
    "backups": ("liqstream.cli.backups", "List the backups of the store."),
    "restore": ("liqstream.cli.restore", "Put a backup in the store's place."),
    "health": ("liqstream.cli.health", "Ask whether a server is alive, or ready for clients."),
    "new-token": ("liqstream.cli.new_token", "Make a token for one client of a private server."),
    "show-config": ("liqstream.cli.show_config", "Show every setting and where it comes from."),
}
"""Verb -> (module whose `command` it is, one line of help)."""


class _LazyGroup(click.Group):
    """Imports a verb only when it is called, so that `--help` and shell completion stay quick."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command; every verb ends the same way where its output cannot be written."""
        with guard_stdout():
            return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, its file imported now; None for a verb there is not."""
        if cmd_name not in VERBS:
            return None
        if cmd_name == "serve":
            stop_at_once()  # its imports take a second or more
        return cast("click.Command", importlib.import_module(VERBS[cmd_name][0]).command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a verb, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="liqstream")
def main() -> None:
    """A live liquidation heatmap for perpetual futures, streamed over WebSocket."""
